package peers

import (
	"context"
	"fmt"

	"github.com/aws/smithy-go/middleware"

	"github.com/maillon-go/maillon/bench"
)

// smithy-go's stack, with the steps in its initialize step and the whole stack decorated once, as the AWS SDK could. (The SDK
// builds a stack for each call. One that is built once serves one call at a time: a run writes to the stack, which the race detector sees.) Inputs and results are any.
var smithy = Peer{
	Name: "smithy-go", Module: "github.com/aws/smithy-go", Version: "v1.28.9", Alone: true,
	Does:   "a prebuilt stack of five phases, steps by name and position, metadata of the result; untyped; one call at a time; no breaker, panics not contained",
	Builds: map[Grade]Build{Plain: stack, Recovering: over(stack, Contained)},
}

func stack(steps []Step, backend bench.Handler) bench.Handler {
	s := middleware.NewStack("bench", func() any { return nil })
	for i, step := range steps {
		err := s.Initialize.Add(middleware.InitializeMiddlewareFunc(fmt.Sprint("step", i),
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				p, err := step(ctx, in.Parameters.(*bench.Payload))
				if err != nil {
					return middleware.InitializeOutput{}, middleware.Metadata{}, err
				}
				in.Parameters = p
				return next.HandleInitialize(ctx, in)
			}), middleware.After)
		if err != nil {
			panic(err)
		}
	}
	// The phases in between have a request and a response of their own: here both are the payload, as a serializer and a
	// deserializer, which every stack has, would make it.
	if err := s.Deserialize.Add(middleware.DeserializeMiddlewareFunc("result",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleDeserialize(ctx, in)
			out.Result = out.RawResponse
			return out, meta, err
		}), middleware.After); err != nil {
		panic(err)
	}
	if err := s.Serialize.Add(middleware.SerializeMiddlewareFunc("payload",
		func(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (middleware.SerializeOutput, middleware.Metadata, error) {
			in.Request = in.Parameters
			return next.HandleSerialize(ctx, in)
		}), middleware.After); err != nil {
		panic(err)
	}
	h := middleware.DecorateHandler(middleware.HandlerFunc(func(ctx context.Context, in any) (any, middleware.Metadata, error) {
		p, err := backend(ctx, in.(*bench.Payload))
		return p, middleware.Metadata{}, err
	}), s)
	return func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
		out, _, err := h.Handle(ctx, p)
		if err != nil {
			return nil, err
		}
		return out.(*bench.Payload), nil
	}
}
