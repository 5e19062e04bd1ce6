package pii

import "strings"

// Lengths of secrets, in bytes.
const (
	minSecret = 16 // that is looked at
	minRandom = 24 // that is found by entropy alone
)

// prefix is how the keys of one service begin.
type prefix struct {
	text string
	min  int  // bytes behind it at least
	dots bool // the key may have dots
}

// prefixes by their first byte.
var prefixes = func() (by [256][]prefix) {
	for _, p := range []prefix{
		{"AKIA", 16, false},
		{"ASIA", 16, false},
		{"ABIA", 16, false},
		{"ACCA", 16, false}, // AWS
		{"AIza", 35, false},
		{"GOCSPX-", 20, false},
		{"ya29.", 20, true}, // Google
		{"ghp_", 36, false},
		{"gho_", 36, false},
		{"ghu_", 36, false},
		{"ghs_", 36, false},
		{"ghr_", 36, false},
		{"github_pat_", 22, false},
		{"glpat-", 20, false},
		{"gldt-", 20, false},
		{"glrt-", 20, false}, // GitLab
		{"xoxb-", 10, false},
		{"xoxp-", 10, false},
		{"xoxa-", 10, false},
		{"xoxr-", 10, false},
		{"xoxs-", 10, false},
		{"xapp-", 10, false}, // Slack
		{"sk-", 20, false},
		{"sk_live_", 16, false},
		{"sk_test_", 16, false},
		{"rk_live_", 16, false},
		{"rk_test_", 16, false},
		{"whsec_", 24, false},
		{"SG.", 40, true},
		{"key-", 32, false}, // SendGrid, Mailgun
		{"npm_", 36, false},
		{"pypi-", 50, false},
		{"hf_", 30, false},
		{"r8_", 30, false},
		{"gsk_", 30, false},
		{"xai-", 30, false},
		{"dop_v1_", 64, false},
		{"shpat_", 32, false},
		{"shpss_", 32, false},
		{"lin_api_", 32, false},
		{"dapi", 32, false},
		{"sq0csp-", 40, false},
		{"sq0atp-", 20, false},
		{"EAAA", 60, false},
		{"AGE-SECRET-KEY-", 40, false},
		{"hvs.", 24, true},
		{"eyJ", 30, true}, // JWT
	} {
		by[p.text[0]] = append(by[p.text[0]], p)
	}
	return by
}()

func inKey(b byte) bool    { return isAlnum(b) || b == '_' || b == '-' }
func inBase64(b byte) bool { return inKey(b) || b == '+' || b == '/' }

// secrets looks at a word: for keys with a known prefix, then for what looks random.
func (c *scan) secrets(start, end int) {
	text := c.text
	for i := start; i < end; {
		if !inBase64(text[i]) {
			i++
			continue
		}
		from := i
		for i < end && inBase64(text[i]) {
			i++
		}
		end := i
		if first, last := c.known(from, i); last > i {
			end, i = first, last
		}
		if end-from >= minSecret {
			c.random(from, end)
		}
	}
}

// known looks for prefixes at the beginnings of keys in text[start:end] and gives where the first key begins, end without one, and
// where the last one ends.
func (c *scan) known(start, end int) (first, last int) {
	first = end
	var ends [2]int // of the characters of keys, without dots and with them, behind i
	for i := start; i < end; i++ {
		list := prefixes[c.text[i]]
		if len(list) == 0 || !c.left(i) {
			continue
		}
		for _, p := range list {
			if !strings.HasPrefix(c.text[i:], p.text) {
				continue
			}
			from := i + len(p.text)
			dots := 0
			if p.dots {
				dots = 1
			}
			if ends[dots] < from {
				ends[dots] = from
				for ends[dots] < len(c.text) && (inKey(c.text[ends[dots]]) || p.dots && c.text[ends[dots]] == '.') {
					ends[dots]++
				}
			}
			j := ends[dots]
			for j > from && c.text[j-1] == '.' {
				j--
			}
			if key := c.text[from:j]; len(key) >= p.min && mixed(key) {
				c.addLong(kindSecret, i, j)
				first = min(first, i)
				i, last = j-1, j
				break
			}
		}
	}
	return first, last
}

// mixed says that text is no name: it has a digit, and letters.
func mixed(text string) bool {
	var all uint8
	for i := range min(len(text), maxMatch) {
		all |= classes[text[i]]
	}
	return all&digit != 0 && all&(lower|upper) != 0
}

// keywords make what follows a secret more likely.
var keywords = []string{
	"key", "apikey", "secret", "token", "password", "passwd", "pwd", "auth", "bearer", "credential", "credentials",
}

// random looks at a run of the characters of base64.
func (c *scan) random(from, to int) {
	for to < len(c.text) && c.text[to] == '=' && to-from < maxMatch {
		to++
	}
	if c.public(from, to) {
		return
	}
	if c.judge(from, to) {
		return
	}
	// It may be a path of which one part is a secret.
	for i := from; i < to; {
		j := i
		for j < to && c.text[j] != '/' {
			j++
		}
		if j-i >= minSecret && (i > from || j < to) {
			c.judge(i, j)
		}
		i = j + 1
	}
}

// judge takes the text for a secret if it looks random.
func (c *scan) judge(from, to int) bool {
	if from < c.from || !c.left(from) || !c.right(to) {
		return false
	}
	if !random(c.text[from:min(to, from+maxMatch)], func() bool { return c.behind(from, keywords) }) {
		return false
	}
	c.addLong(kindSecret, from, to)
	return true
}

// public says that what looks random is known not to be secret: embedded files, checksums, public keys.
func (c *scan) public(from, to int) bool {
	text := c.text[from:to]
	before := c.text[max(0, from-8):from]
	for _, p := range []string{"AAAAB3Nza", "AAAAC3Nza", "sha1-", "sha256-", "sha384-", "sha512-"} {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	for _, s := range []string{"base64,", "h1:", "sha256:", "sha512:"} {
		if strings.HasSuffix(before, s) {
			return true
		}
	}
	return false
}

// random says that a text has the letters of either case and the digits of a random one: they change from place to place, and
// few come twice. Behind a keyword less is enough.
func random(text string, keyword func() bool) bool {
	var count [256]uint8
	var all, last uint8
	digits, letters, changes, distinct, hex := 0, 0, 0, 0, 0
	for i := range len(text) {
		b := text[i]
		k := classes[b]
		if k == digit {
			digits++
		} else if k&(lower|upper) != 0 {
			letters++
		}
		if isHex(b) || b == '-' {
			hex++
		}
		if k&(lower|upper|digit) != 0 {
			if last != 0 && k != last {
				changes++
			}
			last = k
		}
		if count[b] == 0 {
			distinct++
		}
		count[b] = 1
		all |= k
	}
	if digits == 0 || letters == 0 || distinct < 8 {
		return false
	}
	strong := len(text) >= minRandom && all&(lower|upper) == lower|upper && hex < len(text) && 20*changes >= 7*len(text) && digits >= 2 && distinct >= 14
	if strong {
		return true
	}
	return 5*changes >= len(text) && keyword()
}
