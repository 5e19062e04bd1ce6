package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrTampered is what every Fault wraps.
var ErrTampered = errors.New("the audit file was tampered with or damaged")

// Fault is the first place at which a chain is not as it was written.
type Fault struct {
	File   string
	Line   int    // of the file, from 1; 0 where it is about the file or the chain as a whole
	Seq    uint64 // the number that the line should have in the chain; 0 where unknown
	Reason string // it has nothing of a record in it
}

// Error says where and why.
func (f *Fault) Error() string {
	at := f.File
	if f.Line > 0 {
		at = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("audit: %s: %s", at, f.Reason)
}

// Unwrap is ErrTampered.
func (f *Fault) Unwrap() error { return ErrTampered }

// Report is what Verify found, up to the first fault if there is one.
type Report struct {
	Files   []string // in the order of the chain
	First   uint64   // the number of the first line that is there; above 1 after old files were deleted as configured
	Head    Head     // of the chain as it is, to be kept elsewhere for the next VerifyOptions.AtLeast
	Records int      // lines with a record; the others are what the file says of itself
	Repairs int      // torn lines that were cut off after a crash; no record that was acknowledged was in them
	Torn    int64    // bytes of a line at the end that is not whole: of a write under way, or a crash since
}

// VerifyOptions say what is known about a chain beside its files.
type VerifyOptions struct {
	Key []byte // that it was written with; none for plain hashes
	// AtLeast is a head that was kept elsewhere: the chain must still have that line. The zero value asks for nothing.
	AtLeast Head
}

// Verify reads the chain that was written to path, rotated files included, and checks that each line is as it was written, is
// where it was written, and that none is missing. Rotated files may be compressed with gzip, with ".gz" behind their names. The error is a *Fault that wraps ErrTampered, or one of reading. It may run
// while the file is written.
//
// Without a key it finds accidents and those who do not know or care: whoever can write the files can compute hashes too. With
// one, a line cannot be made or changed without it. The end of a chain is known by the head, a file beside it; who can put an
// older copy of both back is found out with VerifyOptions.AtLeast only.
func Verify(path string, o VerifyOptions) (Report, error) {
	f := FileOptions{Key: o.Key}
	head, headErr := f.readHead(path + headSuffix)
	segs, err := segments(path)
	if err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	switch {
	case errors.Is(headErr, os.ErrNotExist) && len(segs) == 0:
		return Report{}, fmt.Errorf("audit: %s: %w", path, os.ErrNotExist)
	case errors.Is(headErr, os.ErrNotExist):
		headErr = errors.New("there is no head, so that lines may be missing at the end")
	}
	v := verifier{FileOptions: f, path: path, head: head, atLeast: o.AtLeast}
	if err := v.run(segs); err != nil {
		return v.report, err
	}
	if headErr != nil {
		return v.report, v.fault("%s", headErr.Error())
	}
	return v.report, v.end()
}

type verifier struct {
	FileOptions
	path    string
	head    Head
	atLeast Head
	report  Report
	last    position
	pruned  uint64
	bad     error // what the file says of itself
}

func (v *verifier) fault(format string, args ...any) error {
	return &Fault{File: v.path, Reason: fmt.Sprintf(format, args...)}
}

func (v *verifier) run(segs []segment) error {
	for i, seg := range segs {
		s, err := v.scan(seg.path, v.last, v.head, v.line)
		v.report.Files = append(v.report.Files, seg.path)
		v.report.Head = v.FileOptions.head(v.last)
		switch {
		case err != nil && errors.Is(err, ErrTampered):
			return err
		case err != nil:
			return fmt.Errorf("audit: %w", err)
		case s.torn > 0 && i < len(segs)-1:
			return &Fault{File: seg.path, Line: s.lines + 1, Seq: v.last.seq + 1, Reason: "the end of the file is cut off"}
		case seg.first > 0 && s.lines == 0:
			return &Fault{File: seg.path, Seq: seg.first, Reason: "the file is empty"}
		case seg.first > 0 && s.first != seg.first:
			return &Fault{File: seg.path, Line: 1, Seq: seg.first, Reason: "the file is not the one that its name says: " + filepath.Base(seg.path)}
		}
		v.report.Torn = s.torn
	}
	return nil
}

func (v *verifier) line(l line) {
	if v.report.First == 0 {
		v.report.First = l.seq
	}
	v.last = l.position
	switch e := l.event; {
	case e == nil:
		v.report.Records++
	case e.Kind == eventRepaired:
		v.report.Repairs++
	case e.Kind == eventPruned:
		v.pruned = max(v.pruned, e.Through)
	}
	if cut := l.truncation(); cut != nil && v.bad == nil {
		v.bad = v.fault("line %d says that lines before it were missing: the head was at line %d (0: there was none)", cut.Line, cut.Head)
	}
	if l.seq == v.atLeast.Seq && l.hash != v.atLeast.Hash && v.bad == nil {
		v.bad = v.fault("line %d is another one than the head that was kept says", l.seq)
	}
}

// end looks at the chain as a whole.
func (v *verifier) end() error {
	switch {
	case v.bad != nil:
		return v.bad
	case v.last.seq < v.head.Seq:
		return v.fault("lines are missing at the end: the last one is %d, the head knows of %d", v.last.seq, v.head.Seq)
	case v.last.seq < v.atLeast.Seq:
		return v.fault("lines are missing at the end: the last one is %d, the head that was kept knows of %d", v.last.seq, v.atLeast.Seq)
	case v.report.First > 1 && v.report.First-1 > v.pruned:
		return v.fault("lines are missing at the beginning: the first one is %d, and lines were deleted as configured through %d only", v.report.First, v.pruned)
	}
	return nil
}
