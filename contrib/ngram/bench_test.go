package ngram

import (
	"strconv"
	"testing"
)

func BenchmarkTrain(b *testing.B) {
	for _, order := range []int{1, DefaultOrder, MaxOrder} {
		b.Run("order="+strconv.Itoa(order), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Train(corpus, Config{Order: order}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGenerate(b *testing.B) {
	for name, temperature := range map[string]float64{"greedy": 0, "sampled": DefaultTemperature} {
		b.Run(name, func(b *testing.B) {
			m := Default()
			b.ReportAllocs()
			tokens := 0
			o := Options{Temperature: temperature}
			for b.Loop() {
				o.Seed++
				res, err := m.Generate(b.Context(), "Write a note about tonight's tide", o)
				if err != nil {
					b.Fatal(err)
				}
				tokens += res.Usage.CompletionTokens
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(tokens), "ns/token")
		})
	}
}
