package httpx

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// directWriter passes on what a handler writes and remembers how much. A link may give up on the handler: from then on its
// writes fail with http.ErrHandlerTimeout, and since the header is one of its own it can change nothing there either.
type directWriter struct {
	http.ResponseWriter
	header http.Header

	mu     sync.Mutex // also held while something is written, so that nothing is when ServeHTTP returns
	over   bool
	status int
	n      int64
	res    *http.Response // set when the handler has returned; visit.mu guards it
}

func (w *directWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *directWriter) Header() http.Header { return w.header }

// end returns when nothing is written any more. A write under way may wait for a client that takes nothing: the response is
// aborted in any case then.
func (w *directWriter) end() {
	if !w.mu.TryLock() {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now())
		w.mu.Lock()
	}
	w.over = true
	w.mu.Unlock()
}

func (w *directWriter) sent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status != 0
}

func (w *directWriter) code() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// begin notes the first status that is final, and gives the server the header. w.mu is held.
func (w *directWriter) begin(status int) error {
	if w.over {
		return http.ErrHandlerTimeout
	}
	if w.status != 0 {
		return nil
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.status = status
	}
	out := w.ResponseWriter.Header()
	clear(out)
	maps.Copy(out, w.header.Clone())
	return nil
}

// trailers gives the server what the handler has set since, when it has returned.
func (w *directWriter) trailers() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		maps.Copy(w.ResponseWriter.Header(), w.header)
	}
}

func (w *directWriter) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begin(status) == nil {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *directWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.begin(http.StatusOK); err != nil {
		return 0, err
	}
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// ReadFrom keeps what the server can do for files. What else it reads from may keep it waiting, and is written as it comes.
func (w *directWriter) ReadFrom(r io.Reader) (int64, error) {
	if !isFile(r) {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.begin(http.StatusOK); err != nil {
		return 0, err
	}
	n, err := io.Copy(w.ResponseWriter, r)
	w.n += n
	return n, err
}

// isFile says that r is a regular file or the beginning of one.
func isFile(r io.Reader) bool {
	if l, ok := r.(*io.LimitedReader); ok {
		r = l.R
	}
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

func (w *directWriter) Flush() { _ = w.FlushError() }

func (w *directWriter) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.begin(http.StatusOK); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *directWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil, nil, http.ErrHandlerTimeout
	}
	c, b, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return c, b, err
}
