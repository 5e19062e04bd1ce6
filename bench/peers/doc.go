// Package peers does the same work in this project and in others that put functions around a call.
//
// The work is a list of steps and a backend behind them. A step gets the payload and returns it, another one, or an error that
// ends the call. Every peer turns the list into one handler in the way that its documentation shows, built once, with a frozen
// payload going through, and no copy made by the benchmark itself. What a peer does for its price, and what it does not, stands
// in its file and in its Does.
//
// There are three grades of the same list: Plain has nothing but the calls, Recovering contains a panic of each step, and
// Guarded has a circuit breaker on each step, of which a panic is a failure too where the peer can.
package peers
