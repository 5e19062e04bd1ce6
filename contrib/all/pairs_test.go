package all_test

import "testing"

// differ are pairs whose order of registration, or whether the answer is streamed, makes a difference, and why.
var differ = map[[2]string]string{}

// Every two plugins together give one verdict and one text: in both orders of registration, streamed or not. And what each of
// them does alone it does beside the other.
func TestPairs(t *testing.T) {
	for i, a := range plugins {
		for _, b := range plugins[i+1:] {
			t.Run(a.name+"+"+b.name, func(t *testing.T) {
				t.Parallel()
				got := map[string]bool{}
				for _, streamed := range []bool{false, true} {
					got[runs(t, streamed, a.make(), b.make())] = true
					got[runs(t, streamed, b.make(), a.make())] = true
				}
				why := differ[[2]string{a.name, b.name}]
				if (len(got) > 1) != (why != "") {
					t.Errorf("%d results, in the table: %q", len(got), why)
					for r := range got {
						t.Logf("%s", r)
					}
				}
				for r := range got {
					if want := expected(a.name, b.name); r != want {
						t.Errorf("got\n%s\nwant\n%s", r, want)
					}
				}
			})
		}
	}
	for pair, why := range differ {
		if why == "" || pair[0] == pair[1] {
			t.Errorf("%v is in the table without a reason", pair)
		}
	}
}

// expected is what the questions come to where some of the plugins judge or rewrite.
func expected(names ...string) string {
	has := map[string]bool{}
	for _, n := range names {
		has[n] = true
	}
	const open = "|High water is at noon. The office is open.\n"
	mailbox := "|Mail kestrel@harbour.example for it.\n"
	rival, whom, codename, injection := "|Ask carl@rival.example about that.\n", "|Write to ines@harbour.example, she knows. Or call again.\n", "|They call it project osprey, I think. Or heron.\n", open
	if has["pii"] {
		whom = "|Write to [EMAIL], she knows. Or call again.\n"
	}
	if has["policy"] {
		codename, injection = "policy_term|\n", "policy_injection|\n"
		rival, mailbox = "policy_pattern|\n", "policy_term|\n"
	}
	if has["pii"] { // which runs first
		rival, mailbox = "|Ask [EMAIL] about that.\n", "|Mail [EMAIL] for it.\n"
	}
	return open + whom + codename + injection + rival + mailbox + open
}
