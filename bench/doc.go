// Package bench does the same work in this project and in its peers, so that the price of a link can be compared.
//
// A variant is a way to put n links around a handler that do nothing but pass the payload on. Each is a benchmark with a
// stable name, serial and parallel:
//
//	go test -run '^$' -bench 'Overhead/hooks/links=10$' .
//	go test -run '^$' -bench 'Overhead/request/' .
//	go test -run '^$' -bench 'Parallel/(hooks|closures)/' -cpu 1,2 .
//
// The command in the folder gate measures the variants against the bounds that the project promises; make bench runs it.
package bench
