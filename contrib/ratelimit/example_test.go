package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/contrib/ratelimit"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Two calls an hour, for each user.
func Example() {
	limit, err := ratelimit.New(ratelimit.Settings{Requests: 2, Window: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, user := range []string{"ann", "bob"} {
		s, err := session.Start(ctx, session.WithBackend(ngram.NewBackend()), session.WithUser(user),
			session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithPlugins(limit))
		if err != nil {
			log.Fatal(err)
		}
		for range 3 {
			_, err := s.Chat(ctx, "Who looks after the crane?")
			var refused *ratelimit.Error
			if errors.As(err, &refused) {
				fmt.Println(user, "may ask again in", refused.RetryAfter.Round(time.Minute))
			}
		}
		if err := s.Close(ctx); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// ann may ask again in 30m0s
	// bob may ask again in 30m0s
}
