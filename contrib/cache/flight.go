package cache

import "sync"

// landing is how a flight ended for those who waited.
type landing uint8

const (
	failed    landing = iota // with an error, a panic or a Goexit
	cancelled                // because its own caller went away
	private                  // with an answer that is not kept, and so is nobody else's
	answered
)

// flight is a call that others wait for because they ask the same.
type flight struct {
	done chan struct{}
	how  landing // when done
	e    Entry   // when answered
}

// flights are the calls that are under way, by key.
type flights struct {
	mu     sync.Mutex
	active map[string]*flight
}

// join gives the flight of key to wait for, or a new one to lead.
func (f *flights) join(key string) (x *flight, lead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.active[key]; x != nil {
		return x, false
	}
	if f.active == nil {
		f.active = map[string]*flight{}
	}
	x = &flight{done: make(chan struct{})}
	f.active[key] = x
	return x, true
}

// leave lets later calls begin another flight.
func (f *flights) leave(key string, x *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active[key] == x {
		delete(f.active, key)
	}
}

// land ends a flight.
func (f *flights) land(key string, x *flight, how landing, e Entry) {
	x.how, x.e = how, e
	f.leave(key, x)
	close(x.done)
}
