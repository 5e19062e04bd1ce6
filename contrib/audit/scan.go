package audit

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is a file of the chain.
type segment struct {
	path  string
	first uint64 // as its name says; 0 for the one that is written to
}

// segments are the files of a chain that are there, in order, the one that is written to last.
func segments(path string) ([]segment, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var out []segment
	active := false
	for _, e := range entries {
		if e.Name() == filepath.Base(path) {
			active = true
		}
		digits, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		digits, packed := strings.CutSuffix(digits, gzSuffix)
		if seq, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && len(digits) == seqDigits {
			s := segment{rotatedName(path, seq), seq}
			if packed {
				s.path += gzSuffix
			}
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	out = slices.CompactFunc(out, func(a, b segment) bool { return a.first == b.first }) // while one is compressed both are there
	if active {
		out = append(out, segment{path: path})
	}
	return out, nil
}

const (
	seqDigits = 20
	gzSuffix  = ".gz" // of a rotated file that somebody has compressed
)

func rotatedName(path string, first uint64) string {
	return fmt.Sprintf("%s.%0*d", path, seqDigits, first)
}

// scanned is what is in a segment.
type scanned struct {
	first uint64   // of its first line
	last  position // zero for an empty segment
	lines int
	good  int64 // bytes in whole lines
	torn  int64 // bytes behind them
}

// scan reads a segment and checks each line and its link to the one before. after is the line before the segment; where it is
// zero the first line is taken as it is. It stops at the first fault.
func (o FileOptions) scan(path string, after position, head Head, each func(line)) (s scanned, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer func() { _ = f.Close() }()
	fault := func(reason string) error {
		return &Fault{File: path, Line: s.lines + 1, Seq: after.seq + 1, Reason: reason}
	}
	failed := func(err error) error { // what is wrong is with the disk, or with what is in the file
		if _, disk := errors.AsType[*os.PathError](err); disk || !strings.HasSuffix(path, gzSuffix) {
			return err
		}
		return fault("the compressed file is damaged: " + err.Error())
	}
	r := bufio.NewReaderSize(f, 64<<10)
	if strings.HasSuffix(path, gzSuffix) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return s, failed(err)
		}
		r = bufio.NewReaderSize(z, 64<<10)
	}
	var buf []byte
	for {
		buf = buf[:0]
		for {
			part, err := r.ReadSlice('\n')
			buf = append(buf, part...)
			if len(buf) > maxLine {
				return s, fault("longer than any line can be")
			}
			if err == nil {
				break
			}
			if errors.Is(err, io.EOF) {
				s.torn = int64(len(buf))
				return s, nil
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return s, failed(err)
			}
		}
		l, err := o.parseLine(bytes.TrimSuffix(buf, []byte("\n")))
		switch {
		case err != nil:
			return s, fault(err.Error())
		case after != position{} && l.seq != after.seq+1:
			return s, fault(fmt.Sprintf("this is line %d of the chain, line %d should be here", l.seq, after.seq+1))
		case after != position{} && l.prev != after.hash, l.seq == 1 && l.prev != genesis:
			return s, fault("the line before is not the one that this one was written behind")
		case l.seq == head.Seq && l.hash != head.Hash:
			return s, fault("the head knows another line of this number")
		}
		if s.lines == 0 {
			s.first = l.seq
		}
		s.lines++
		s.good += int64(len(buf))
		after, s.last = l.position, l.position
		if each != nil {
			each(l)
		}
	}
}
