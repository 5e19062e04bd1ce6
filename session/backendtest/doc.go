// Package backendtest is the conformance suite of backends: what a session and its users rely on, checked for any
// session.Backend, however it reaches its model.
//
// The subject brings a server that speaks the model's protocol, and the suite says what that server replies:
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, backendtest.Subject{
//			Start: func(tb testing.TB, s *backendtest.Service) session.Backend {
//				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//					body, _ := io.ReadAll(r.Body)
//					reply := s.Reply(r.Context(), body)
//					... // write reply as the protocol has it
//				}))
//				tb.Cleanup(server.Close)
//				return acme.New(server.URL)
//			},
//		})
//	}
//
// A model in the same process has no server, and is judged by what it does: see Subject.Local.
package backendtest
