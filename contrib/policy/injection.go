package policy

import "bytes"

// class is a class of words that injections are made of.
type class int

const (
	none     class = iota
	drop           // asks to give something up
	given          // says that it is what came before, or what was given
	orders         // what a model was told
	show           // asks to say something
	secret         // what a model was told and should keep to itself
	become         // asks to be somebody else
	unbound        // somebody, or some way, without rules
	marker         // what only the frame of a conversation has
	obey           // gives new orders
	jailname       // names of well-known jailbreaks
	send           // asks to bring something out
	target         // where to
	shackle        // what binds a model, so named that nothing else is meant
	lifted         // says that something does not hold any more
	address        // speaks to a model that reads a document
	loosen         // asks to take what binds a model away
	steer          // asks a model that reads a document for something
	yours          // the model's own
	negation       // takes a request back: "do not ignore"
	classCount
)

// classes are the words, in the form in which texts are compared.
var classes = [classCount][]string{
	drop: {
		"ignore", "ignoring", "disregard", "disregarding", "forget", "override", "overrule", "bypass", "discard", "neglect", "abandon", "drop",
		"stop following", "do not follow", "don't follow", "do not obey", "don't obey", "no longer follow", "no longer bound", "not bound by", "set aside", "pay no attention to",
		"do not listen to", "don't listen to", "erase", "delete", "cancel", "void", "supersede", "supersedes", "skip", "wipe", "throw out",
		"ignoriere", "vergiss", "missachte", "ignora", "olvida", "ignorez", "ignore toutes", "oubliez", "oublie", "dimentica", "esqueça",
		"dismiss", "put aside", "leave behind", "let go of", "unlearn", "purge", "scrap", "throw away", "stop obeying", "quit following", "quit obeying", "cease following", "refrain from following", "no need to follow", "not have to follow", "don't have to follow", "need not follow", "do not heed", "don't heed", "do not apply", "do not use", "stop applying", "no longer obey", "no longer have to follow", "not obey", "not following", "vergesst", "vergessen sie", "ignorieren sie", "ignorier", "missachten sie", "olvide", "olvidar", "ignore las", "desobedece", "ne tenez pas compte", "ne tiens pas compte", "faites abstraction", "fais abstraction", "ignori", "dimentichi", "ignore todas", "ignore as", "esqueça todas", "negeer", "vergeet", "zignoruj", "zapomnij",
	},
	given: {
		"previous", "prior", "above", "earlier", "preceding", "foregoing", "before", "all", "any", "every", "everything", "your", "original", "initial", "existing", "current",
		"you were given", "you have been given", "you were told", "you have been told", "you received", "system", "so far", "developer", "the assistant's", "safety", "came before", "developer told you", "developers told you", "they told you", "they gave you", "creators told you", "owner told you",
		"vorherigen", "bisherigen", "alle", "obigen", "anteriores", "previas", "todas", "précédentes", "toutes", "precedenti", "tutte",
		"former", "old", "past", "first", "starting", "built-in", "predefined", "hard-coded", "you started with", "you began with", "you got", "the company gave you", "set for you", "vorigen", "vorherige", "vorangegangenen", "früheren", "sämtliche", "sämtlichen", "deine", "deiner", "anterior", "tus", "sus", "antérieures", "précédente", "ci-dessus", "tes", "vos", "precedente", "tue", "tuas", "voorgaande", "vorige", "eerdere", "poprzednie", "wszystkie", "wcześniejsze",
	},
	orders: {
		"instructions", "instruction", "directions", "directives", "directive", "guidelines", "guideline", "rules", "prompt", "prompts", "commands", "constraints",
		"restrictions", "programming", "system message", "system prompt", "you were told", "you have been told", "what you were told", "policies", "policy", "training", "guardrails", "safeguards", "filters",
		"anweisungen", "instruktionen", "regeln", "instrucciones", "reglas", "consignes", "istruzioni", "instruções",
		"guidance", "orders", "protocols", "preamble", "briefing", "limitations", "boundaries", "system instructions", "system prompts", "vorgaben", "befehle", "richtlinien", "systemprompt", "instructies", "opdrachten", "órdenes", "directrices", "regole", "direttive", "regras", "ordens", "diretrizes", "règles", "instrukcje", "polecenia", "content filter", "content filters", "content policy", "safety guidelines",
	},
	show: {
		"reveal", "print", "repeat", "show", "show me", "output", "display", "tell me", "write out", "write down", "give me", "recite", "disclose", "leak", "dump", "quote", "reproduce", "copy", "what is", "what are", "what was", "what were", "summarize", "translate", "list", "put", "paste", "encode", "post", "spell out", "begin your answer with", "start your answer with",
		"what's", "share", "provide", "expose", "send me", "read me", "read out", "read back", "type out", "return", "render", "paraphrase", "rephrase", "echo", "let me see", "how", "want to see", "like to see", "can i see", "may i see", "let me read", "hand over", "transcribe", "which", "how does", "what do", "what does", "describe", "explain", "state", "tell us", "write me", "zeige", "zeig mir", "gib mir", "nenne", "muéstrame", "dime", "revela", "affiche", "affichez", "montre-moi", "donne-moi", "mostrami", "dimmi", "mostre", "toon",
	},
	secret: {
		"system prompt", "system message", "hidden prompt", "initial prompt", "original prompt", "initial instructions", "hidden instructions", "secret instructions", "your instructions", "your prompt", "your system instructions", "system instructions",
		"developer message", "developer instructions", "prompt above", "text above", "words above", "instructions above", "everything above", "above instructions", "your rules", "your guidelines", "your configuration", "instructions you were given", "instructions that you were given", "pre-prompt", "preprompt", "text you were given", "text that you were given", "prompt you were given", "you told before", "told you before i", "start of this session", "start of our session",
		"first message of this conversation", "beginning of this conversation", "start of this conversation", "top of this conversation", "start of our conversation", "before my first message", "before the first user message", "to the first user message", "before this conversation", "before this chat", "prompt you started with", "instructions you started with", "text you started with", "instructions you received", "prompt you received", "were you instructed", "were you prompted", "were you configured", "instructions were you given", "instructions did you get", "rules were you given", "everything before this", "text before this", "words before this", "message before this", "deinen systemprompt", "deine anweisungen", "deine instruktionen", "den systemprompt", "tus instrucciones", "tu prompt", "ton prompt", "votre prompt", "tes instructions", "vos instructions", "il tuo prompt", "le tue istruzioni", "seu prompt", "suas instruções", "je instructies",
	},
	become: {
		"you are now", "from now on you are", "from now on, you are", "pretend to be", "pretend you are", "pretend that you are", "act as", "act like", "roleplay as", "role-play as", "behave as", "behave like", "simulate", "imagine you are", "imagine that you are", "take on the role of", "play the role of", "you will be", "respond as", "answer as", "switch to", "enter", "entering", "enable", "activate", "you are going to act as", "you are in", "in the role of", "become",
		"you're now", "you're an ai", "speak as", "talk as", "write as", "reply as", "think of yourself as", "consider yourself", "assume the role", "assume the persona", "assume the identity", "adopt the role", "adopt the persona", "adopt the identity", "in the persona of", "as if you were", "as though you were", "turn into", "transform into", "let's pretend", "suppose you are", "suppose you're", "imagine you're", "pretend you're", "your name is", "go into", "unlock", "toggle", "you play", "as an ai", "a chatbot", "be an ai", "an assistant who", "an assistant that", "an ai who", "an ai that",
	},
	unbound: {
		"no restrictions", "without restrictions", "without any restrictions", "unrestricted", "no rules", "without rules", "without any rules", "no limits", "without limits", "without any limits", "no filter", "no filters", "without filters", "unfiltered", "uncensored", "no guidelines", "without guidelines", "no ethical", "without ethical", "no moral", "without moral", "no limitations", "without limitations", "without any limitations", "developer mode", "dev mode", "debug mode", "god mode", "admin mode", "maintenance mode", "root mode", "sudo mode", "jailbreak mode", "unsafe mode", "jailbroken", "do anything", "can do anything", "free of all", "freed from", "free from all", "evil twin", "opposite of your rules", "safety off", "never heard of rules", "no conscience", "safety disabled", "disable safety", "no safety", "without safety",
		"no censorship", "without censorship", "no safeguards", "without safeguards", "no guardrails", "without guardrails", "guardrails are gone", "no boundaries", "without boundaries", "no ethics", "without ethics", "no morals", "without morals", "no inhibitions", "without inhibitions", "without filter", "without any filter", "without any filters", "never refuses", "never refuse", "never says no", "never say no", "cannot refuse", "can't refuse", "answers anything", "answer anything", "answers everything", "always complies", "free from any", "free of any", "free of rules", "free from rules", "free of restrictions", "not bound by", "not restricted by", "not limited by", "bound by nothing", "knows no rules", "knows no limits", "ignores all rules", "ignores the rules", "no content policy", "amoral", "unaligned", "unshackled", "unchained", "unrestricted mode", "uncensored mode", "ethics were removed", "ethics removed", "filters removed", "without disclaimers", "no disclaimers",
	},
	marker: {
		"<|im_start|>", "<|im_end|>", "<|system|>", "<|endoftext|>", "[inst]", "[/inst]", "<<sys>>", "<</sys>>", "### system", "###system", "### instruction", "### new instructions", "[system]", "<system>", "</system>", "begin system message", "end of system prompt", "end of prompt", "end of user input", "end of document. new", "begin new instructions", "system override", "[system message]", "#system", "<|start_header_id|>", "<start_of_turn>",
	},
	obey: {
		"new instructions", "new instruction", "new task", "new directive", "your new task", "your real task", "your actual task", "your only task", "instead, you must", "instead you must", "instead do", "instead, do", "follow these", "follow only", "follow my", "obey me", "obey my", "obey only", "you must now", "now you must", "real instructions", "updated instructions", "important: the assistant", "note to the ai", "note to ai", "attention ai", "ai assistant:", "dear ai", "if you are an ai", "if you are a language model", "if you are an llm", "the assistant must", "ai reading this", "assistant reading this", "ai models must", "llm reading this", "instructions for the ai", "instructions for ai",
		"your new instructions", "your new rules", "your new orders", "new orders", "new rules:", "your new role", "your new persona", "new system prompt", "your real job", "your only job", "your real purpose", "your true purpose", "you will now", "the following instructions", "these instructions instead", "listen only to me", "only listen to me", "obey the following", "do as i say", "do what i say", "do exactly as i say", "take orders from me", "only follow", "here are your new", "here are new",
	},
	jailname: {
		"dan mode", "do anything now", "you are dan", "as dan", "stan mode", "aim mode", "dude mode", "mongo tom", "jailbreak prompt", "grandma exploit", "evil-bot mode", "token system: you have 35 tokens", "always intelligent and machiavellian",
	},
	send: {
		"send", "post", "forward", "upload", "exfiltrate", "transmit", "append", "include", "embed", "email", "deliver", "submit", "encode",
	},
	target: {
		"to http", "to https", "at http", "at https", "to this url", "to this address", "to the following url", "to the following address", "in the url", "as a query parameter", "as a url parameter", "in an image url", "in a markdown image", "to attacker", "attacker@", "to my server", "to this webhook", "to this endpoint",
		"conversation history", "chat history", "api key", "api keys", "password", "passwords", "credentials", "user's data", "private data", "session token", "access token", "environment variables", "contents of the conversation", "everything the user", "the user's messages", "the user's email",
	},
	shackle: {
		"your programming", "your guidelines", "your guidance", "your earlier guidance", "your previous guidance", "your restrictions", "your safety guidelines", "your safety rules", "your content policy", "your filters", "your ethics",
		"your instructions", "your earlier instructions", "your previous instructions", "your system prompt", "your initial prompt", "your alignment", "your constraints", "your moral code",
		"safety protocol", "safety protocols", "content policies", "content policy", "content filters", "content filter", "safety filters", "the system prompt", "the system message", "ethical guidelines", "openai's policies", "rules they gave you", "whatever rules",
	},
	lifted: {
		"no longer apply", "no longer applies", "no longer valid", "don't apply", "do not apply", "does not apply", "doesn't apply", "are disabled", "is disabled", "are suspended", "are void", "is void", "are lifted", "have been lifted", "are off", "switched off", "turned off",
		"no longer matter", "no longer matters", "no longer count", "no longer bind you", "no longer relevant", "no longer in force", "are cancelled", "are canceled", "are revoked", "are obsolete", "are outdated", "are gone", "are over", "are deleted", "are removed", "are replaced", "are overridden", "have expired", "has expired", "have been revoked", "have been removed", "have been cancelled", "have been canceled", "have been replaced", "have been disabled", "has been disabled", "do not matter", "don't matter", "do not count", "don't count", "null and void", "is revoked", "is obsolete", "is cancelled", "is gone", "deleted", "do not bind you",
	},
	address: {
		"note to the ai", "note to ai", "attention ai", "dear ai", "if you are an ai", "if you are a language model", "if you are an llm", "ai reading this", "ai assistants reading", "assistant reading this", "llm reading this", "ai models must", "ai assistants must", "ai assistants should", "ai models should", "language models must", "instructions for the ai", "instructions for ai",
		"assistants that read this", "ai that reads this", "ai processing this", "model processing this", "when you process this", "when you summarize this", "when you summarise this",
		"any ai", "any llm", "any language model", "any chatbot", "hey ai", "hey assistant", "if an ai", "if a language model", "processed by an ai", "processed by a language model", "processed by an llm", "read by an ai", "read by a language model", "read by an llm", "summarised by an ai", "summarized by an ai", "summarised by a language model", "summarized by a language model", "ai agents must", "ai agents should", "automated assistants must", "automated assistants should", "llms must", "llms should", "chatbots must", "chatbots should", "assistants must", "ai that summarises", "ai that summarizes", "reading this mail", "reading this email", "reading this page", "reading this document", "to the ai",
	},
	loosen: {
		"turn off", "turning off", "switch off", "switching off", "disable", "disabling", "deactivate", "remove", "suspend", "lift", "loosen", "break free from", "break", "violate", "escape", "reset", "clear", "shut off", "get rid of", "without regard to", "regardless of", "act against", "go against", "relax", "release yourself from", "free yourself from", "liberate yourself from", "uninstall", "shed", "circumvent", "evade", "work around", "get around", "sidestep",
	},
	steer: {
		"rate", "rank", "recommend", "praise", "approve", "endorse", "say that", "reply with", "respond with", "answer with", "state that", "tell the reader", "tell the user", "tell users", "tell readers", "do not tell", "don't tell", "do not mention", "don't mention", "never mention", "hide", "conceal", "call the", "run the", "execute", "click", "open the", "visit", "score", "give it", "select this", "choose this", "prefer this",
	},
	yours:    {"your"},
	negation: {"not", "don't", "never", "do not", "cannot", "didn't", "shouldn't", "mustn't", "doesn't", "won't"},
}

// What a model keeps to itself goes by many names: they are put together of parts.
func init() {
	for _, which := range []string{
		"your", "your hidden", "your secret", "your exact", "your full", "your complete", "your entire", "your initial", "your original", "your internal", "your own", "your first", "your current",
		"the hidden", "the secret", "the initial", "the original", "the exact", "the system",
	} {
		for _, what := range []string{"instructions", "prompt", "system prompt", "rules", "guidelines", "directives", "preamble", "system message", "configuration"} {
			classes[secret] = append(classes[secret], which+" "+what)
		}
	}
}

// word is a word of a class in a folded text.
type word struct {
	class class
	i, j  int
}

// how far apart, in bytes of folded text, words that make up one request may be.
const (
	near = 48
	wide = 96
)

// injected looks for words that together ask a model to leave its instructions. Each of them alone is harmless, so that a
// text about rules, prompts or filters passes. words is sorted by where they end. Each word is looked at with those shortly
// before it, so that the time is linear in the text.
func injected(folded []byte, words []word) (i, j int, name string, ok bool) {
	// back finds the nearest word of a class that ends before w begins, at most n bytes away, in the same sentence.
	back := func(k, n int, c class) (int, bool) {
		w := words[k]
		for m := k - 1; m >= 0 && words[m].j >= w.i-n-64; m-- {
			if v := words[m]; v.class == c && v.j <= w.i && v.j >= w.i-n && !sentence(folded[v.j:w.i]) {
				return m, true
			}
		}
		return 0, false
	}
	for k, w := range words {
		switch w.class {
		case jailname, marker:
			return w.i, w.j, frameOr(w.class), true
		case orders:
			// turn off your ... filters
			if y, isYours := back(k, 16, yours); isYours && !bytes.Contains(folded[words[y].j:w.i], []byte("'s ")) {
				if l, isLoosen := back(y, 24, loosen); isLoosen {
					if _, negated := back(l, 4, negation); !negated {
						return words[l].i, w.j, "override", true
					}
				}
			}
			// ignore ... previous ... instructions
			g, isGiven := back(k, near, given)
			if !isGiven {
				continue
			}
			if d, isDrop := back(g, near, drop); isDrop && !bytes.Contains(folded[words[d].j:w.i], []byte(" my ")) {
				if _, negated := back(d, 4, negation); !negated {
					return words[d].i, w.j, "override", true
				}
			}
		case given:
			// ignore everything above
			d, isDrop := back(k, 20, drop)
			if isDrop = isDrop && (ends(folded, w.j) && tells(folded[w.i:w.j]) || tellsYou(folded[w.i:w.j])); !isDrop {
				// pay no attention to the instructions above, or that came before
				far := 8
				if told(folded[w.i:w.j]) {
					far = near
				}
				if o, isOrders := back(k, far, orders); isOrders {
					d, isDrop = back(o, far, drop)
				}
			}
			if isDrop {
				if _, negated := back(d, 4, negation); !negated {
					return words[d].i, w.j, "override", true
				}
			}
		case secret:
			if s, isShow := back(k, near, show); isShow && asks(folded, words[s], w) {
				if _, negated := back(s, 4, negation); !negated {
					return words[s].i, w.j, "extraction", true
				}
			}
		case unbound:
			if b, isBecome := back(k, wide, become); isBecome {
				return words[b].i, w.j, "persona", true
			}
		case obey:
			if d, isDrop := back(k, 2*wide, drop); isDrop {
				return words[d].i, w.j, "new orders", true
			}
		case drop:
			if o, isObey := back(k, wide, obey); isObey {
				return words[o].i, w.j, "new orders", true
			}
		case shackle:
			if d, isDrop := back(k, 24, drop); isDrop {
				if _, negated := back(d, 4, negation); !negated {
					return words[d].i, w.j, "override", true
				}
			}
		case lifted:
			if b, isShackle := back(k, near, shackle); isShackle {
				return words[b].i, w.j, "override", true
			}
			// the rules you were given, or all previous instructions, are void
			if g, isGiven := back(k, near, given); isGiven && told(folded[words[g].i:words[g].j]) {
				if o, isOrders := back(g, 8, orders); isOrders {
					return words[o].i, w.j, "override", true
				}
			}
			if o, isOrders := back(k, near, orders); isOrders {
				if y, isYours := back(o, 16, yours); isYours {
					return words[y].i, w.j, "override", true
				}
				if g, isGiven := back(o, 12, given); isGiven && words[o].j >= w.i-24 && models(folded[words[o].i:words[o].j]) {
					return words[g].i, w.j, "override", true
				}
			}
		case send, steer:
			if a, isAddress := back(k, wide, address); isAddress {
				return words[a].i, w.j, "exfiltration", true
			}
		case target:
			if s, isSend := back(k, near, send); isSend {
				if o, isObey := back(s, 2*wide, obey); isObey {
					return words[o].i, w.j, "exfiltration", true
				}
			}
		}
	}
	return 0, 0, "", false
}

// told says whether a word of the class given says that the model was given something.
func told(b []byte) bool {
	switch string(b) {
	case "above", "earlier", "before", "so far", "came before":
		return true
	}
	return bytes.HasPrefix(b, []byte("you ")) || tellsYou(b)
}

// models says whether a word of the class orders is for models rather than for people.
func models(b []byte) bool {
	for _, w := range []string{"instruction", "prompt", "directive", "guideline", "command", "system", "guidance", "guardrails"} {
		if bytes.HasPrefix(b, []byte(w)) {
			return true
		}
	}
	return false
}

func frameOr(c class) string {
	if c == marker {
		return "frame"
	}
	return "jailbreak"
}

// sentence says whether a sentence ends within a piece of folded text.
func sentence(b []byte) bool {
	for i, c := range b {
		if (c == '.' || c == '!' || c == '?') && i+1 < len(b) && b[i+1] == ' ' {
			return true
		}
	}
	return false
}

// ends says whether a sentence, or the text, ends at i.
func ends(b []byte, i int) bool {
	if i == len(b) {
		return true
	}
	switch b[i] {
	case '.', '!', '?', ',', ';', ':', '"':
		return true
	}
	return false
}

// tells says whether a word of the class given stands for all that was said.
func tells(b []byte) bool {
	switch string(b) {
	case "above", "everything", "before", "you were told", "you have been told", "previous", "so far", "prior":
		return true
	}
	return false
}

// tellsYou says whether a word of the class given says itself who was told.
func tellsYou(b []byte) bool {
	return bytes.HasSuffix(b, []byte("told you")) || bytes.HasSuffix(b, []byte("gave you"))
}

// asks says whether it is the model's own that somebody wants to be shown: to translate what stands above, or to be told the
// instructions for something, is what people ask for.
func asks(folded []byte, show, secret word) bool {
	if bytes.HasPrefix(folded[secret.j:], []byte(" for")) {
		return false
	}
	if rest := folded[secret.j:]; bytes.HasPrefix(rest, []byte(" of ")) && !bytes.HasPrefix(rest, []byte(" of your")) && !bytes.HasPrefix(rest, []byte(" of this c")) {
		return false
	}
	if before := folded[show.j:secret.i]; bytes.HasSuffix(before, []byte(" a ")) || bytes.HasSuffix(before, []byte(" an ")) {
		return false
	}
	what := folded[secret.i:secret.j]
	switch string(folded[show.i:show.j]) {
	case "how":
		return bytes.HasPrefix(what, []byte("were you "))
	case "which":
		return bytes.Contains(what, []byte("you"))
	}
	if !bytes.Contains(what, []byte("above")) {
		return true
	}
	switch string(folded[show.i:show.j]) {
	case "translate", "summarize", "list", "what is", "what are", "what was", "what were", "put", "post", "encode":
		return false
	}
	return true
}
