package cache_test

import (
	"context"
	"fmt"
	"log"

	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Two sessions of one user ask the same.
func Example() {
	answers, err := cache.New(cache.Settings{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for range 2 {
		s, err := session.Start(ctx, session.WithBackend(ngram.NewBackend()), session.WithUser("ann"),
			session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithPlugins(answers))
		if err != nil {
			log.Fatal(err)
		}
		res, err := s.Chat(ctx, "Who looks after the crane?")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(res.Text() != "", res.Usage.Total() > 0)
		if err := s.Close(ctx); err != nil {
			log.Fatal(err)
		}
	}
	st := answers.Stats()
	fmt.Println(st.Hits, "hit,", st.Misses, "miss")
	// Output:
	// true true
	// true false
	// 1 hit, 1 miss
}
