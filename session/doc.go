// Package session runs the lifecycle of model calls: a Session puts instructions to a Backend, validates the answers,
// tries again, runs tools and keeps the history. Every stage on the way is a chain of the session's stages.Pipeline, so
// that plugins see, rewrite or stop it without a change to the application:
//
//	s, err := session.Start(ctx, session.WithBackend(ngram.NewBackend()))
//	if err != nil {
//		return err
//	}
//	defer s.Close(ctx)
//
//	_, err = s.Pipeline().Generation.Use(chain.After("redact", redact))
//	...
//	res, err := s.Instruct(ctx, "Write a note about tonight's tide.",
//		session.Require(session.Check("Keep it below 200 characters.", func(text string) (bool, string) {
//			return len(text) < 200, "it is too long"
//		})),
//		session.LoopBudget(5))
//	if err != nil {
//		return err
//	}
//	fmt.Println(res.Text(), res.Success)
//
// One instruction fires, in this order:
//
//	component_pre_create, component_post_create, component_pre_execute, sampling_loop_start,
//	(generation_pre_call, generation_stream_chunk, generation_post_call, [tool_pre_invoke, tool_post_invoke, and generation again,]
//	validation_pre_check, validation_post_check, sampling_iteration, [sampling_repair])+,
//	sampling_loop_end, component_post_success, context_update
//
// between session_pre_init and session_post_init at Start and session_cleanup at Close. Session.Reset fires session_reset,
// pruning context_prune, adapters the hooks of their loading and unloading, and errors generation_error,
// component_post_error and error_occurred. All payloads of one call carry one request id, and those of one pre/post pair
// one correlation id.
//
// Session.Stream fires the same between streaming_start and streaming_end, and gives the answer to its reader as far as
// the links have let it pass. Pipeline.Streaming says when that is.
//
// What happens to an answer that does not fulfil its requirements is the Strategy's to say: RejectionSampling, the default,
// TemplateRepair, MultiTurn, MajorityVoting, TwoSolver, or one of the user's own, given by Using. A requirement without a
// function is judged by the model.
//
// Instruct is one of several kinds of component: Chat puts a message to the model, Query a question about a value, Act a
// component of the user's own, Transform has it change a value, and NewSlot makes a typed function that it answers. All of
// them fire the same hooks. They exist as functions too, which need no session but a backend and a history: see On.
//
// A hook can call the model itself, by stages.From(ctx).Generate or by the session's own methods with the ctx that it
// got. Such a call is a request of its own that names the one it was made in as its parent, up to MaxDepth.
package session
