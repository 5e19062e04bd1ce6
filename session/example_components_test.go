package session_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// saying answers with these texts, one after the other.
func saying(texts ...string) session.Backend {
	return session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		text := texts[0]
		texts = texts[1:]
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: text}}), nil
	})
}

func ExampleNewSlot() {
	type review struct {
		Text string `json:"text"`
	}
	type opinion struct {
		Positive bool   `json:"positive"`
		Reason   string `json:"reason" jsonschema:"in at most ten words"`
	}
	judge := session.NewSlot[review, opinion]("judge", "Is this review of a harbour positive?")

	ctx := context.Background()
	s, err := session.Start(ctx, session.WithBackend(saying("It is!", `{"positive":true,"reason":"calm water"}`)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()
	o, err := judge.Call(ctx, s, review{"Calm water, kind people."}) // the first answer cannot be decoded
	fmt.Printf("%+v %v\n", o, err)

	// The same without a session, where no answer can be decoded.
	_, err = judge.Call(ctx, session.On(saying("Yes."), stages.History{}), review{"Too loud."}, session.LoopBudget(1))
	var e *session.DecodeError
	fmt.Println(errors.As(err, &e), err)
	// Output:
	// {Positive:true Reason:calm water} <nil>
	// true session: the answer to GenerativeSlot "judge" is not JSON
}

func ExampleTransform() {
	type berth struct {
		Ship   string `json:"ship"`
		Metres int    `json:"metres"`
	}
	b := saying(`{"ship":"MARIE","metres":12}`)
	changed, _, err := session.Transform(context.Background(), session.On(b, stages.History{}), berth{"Marie", 12}, "Write names in capitals.")
	fmt.Printf("%+v %v\n", changed, err)
	// Output: {Ship:MARIE Metres:12} <nil>
}

// Without a session the caller keeps the history.
func ExampleChat() {
	ctx, b := context.Background(), saying("At 06:40.", "At 18:55.")
	first, err := session.Chat(ctx, b, stages.History{}, "When is high water?")
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := session.Chat(ctx, b, first.History, "And the next one?")
	fmt.Println(second, err)
	for _, m := range second.History.All() {
		fmt.Printf("%s: %s\n", m.Role, m.Text)
	}
	// Output:
	// At 18:55. <nil>
	// user: When is high water?
	// assistant: At 06:40.
	// user: And the next one?
	// assistant: At 18:55.
}

func ExampleQuery() {
	tides := map[string]string{"north": "06:40", "south": "06:55"}
	res, err := session.Query(context.Background(), saying("The north one."), stages.History{}, tides, "Which harbour is first?")
	fmt.Println(res, err)
	// Output: The north one. <nil>
}

// A component of one's own is any type with these three methods.
type farewell struct{ to string }

func (farewell) Kind() string { return "farewell" }
func (farewell) Name() string { return "" }
func (f farewell) Messages() ([]stages.Message, error) {
	return []stages.Message{
		{Role: stages.RoleUser, Text: "Say goodbye to " + f.to + "."},
	}, nil
}

func ExampleAct() {
	res, err := session.Act(context.Background(), saying("Farewell, Marie!"), stages.History{}, farewell{"Marie"})
	fmt.Println(res, err)
	// Output: Farewell, Marie! <nil>
}
