// Package bench does the same work in this project and in its peers, so that the price of a link can be compared.
//
// A variant is a way to put n links around a handler that do nothing but pass the payload on. Each is a benchmark with a
// stable name, serial and parallel:
//
//	go test -run '^$' -bench 'Overhead/hooks/links=10$' .
//	go test -run '^$' -bench 'Overhead/request/' .
//	go test -run '^$' -bench 'Parallel/(hooks|closures)/' -cpu 1,2 .
//
// The rest is in folders: peers (the same work in other projects), scenario (all that is measured), measure (how), bound (what must
// hold; gate checks it, make bench runs that), report (tables and charts of the pages), cmd/report, cmd/soak and compare.
package bench
