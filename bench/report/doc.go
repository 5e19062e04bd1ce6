// Package report turns measurements into what people read: a file of results, tables, charts, and the parts of the pages that
// come from them. The command in cmd/report runs it; whatever a page says in figures stands between markers there:
//
//	<!-- report:price -->
//	...
//	<!-- /report -->
package report
