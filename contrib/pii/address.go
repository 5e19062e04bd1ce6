package pii

import (
	"net/netip"
	"strings"
)

// ipv4 looks for four groups of digits.
func (c *scan) ipv4(x *number) {
	if x.n < 4 {
		return
	}
	start, end := x.start, x.end(4)
	var a [4]byte
	for i, g := range x.groups[:4] {
		v := x.value(g.from, min(g.to, g.from+4))
		if i > 0 && g.sep != '.' || v > 255 || g.to-g.from > 3 || g.to-g.from > 1 && x.digits[g.from] == 0 {
			return
		}
		a[i] = byte(v)
	}
	if start > 0 && c.text[start-1] == '.' || !c.right(end) || c.goesOn(end, '.', isDigit) {
		return
	}
	if a[0] == 127 || a[0] == 0 || a[0] == 255 || c.version(start) {
		return
	}
	c.add(kindIP, start, end)
}

// version says that a word right before i makes what follows a number of something.
func (c *scan) version(i int) bool {
	for _, w := range []string{"version ", "section ", "chapter ", "release ", "clause ", "build "} {
		from := i - len(w)
		if from >= 0 && strings.EqualFold(c.text[from:i], w) && (from == 0 || strings.IndexByte(" \t\n(", c.text[from-1]) >= 0) {
			return true
		}
	}
	return false
}

// addresses looks for IPv6 and MAC addresses in a word. What follows an address does not matter, but for the byte behind it.
func (c *scan) addresses(start, end int) {
	text := c.text
	for i := start; i < end; i++ {
		if !isHex(text[i]) && text[i] != ':' || i > 0 && (isHex(text[i-1]) || text[i-1] == ':') || !c.left(i) {
			continue
		}
		if n := c.mac(i); n > 0 && c.right(i+n) {
			c.add(kindMAC, i, i+n)
			i += n
			continue
		}
		j, colons := i, 0
		for ; j < end && (isHex(text[j]) || text[j] == ':'); j++ {
			if text[j] == ':' {
				colons++
			}
		}
		if colons >= 2 && j-i < len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:") {
			c.ipv6(i, j)
		}
		i = j
	}
}

func isHex(b byte) bool { return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }

// ipv6 looks at a run of hexadecimal digits and colons, behind which there may be the rest of an embedded IPv4 address.
func (c *scan) ipv6(from, to int) {
	text := c.text
	end := to
	for dots := 0; end < len(text) && end-to < len(".255.255.255") && (isDigit(text[end]) || text[end] == '.' && dots < 3); end++ {
		if text[end] == '.' {
			dots++
		}
	}
	if end > to && c.isIPv6(from, end) {
		c.add(kindIP, from, end)
		return
	}
	if text[to-1] == ':' && text[to-2] != ':' && (to == len(text) || text[to] != '*' && c.labels.at(text, to) == 0) { // that of a sentence
		to--
	}
	if c.isIPv6(from, to) {
		c.add(kindIP, from, to)
	}
}

func (c *scan) isIPv6(from, to int) bool {
	text := c.text[from:to]
	a, err := netip.ParseAddr(text)
	return err == nil && c.right(to) && strings.ContainsAny(text, "0123456789") && !a.IsUnspecified() && !a.IsLoopback()
}

// mac is the length of a hardware address that begins at i: 00:1b:44:11:3a:b7, the same with dashes, or 001b.4411.3ab7.
func (c *scan) mac(i int) int {
	for _, form := range []struct {
		sep           byte
		every, length int
	}{{':', 2, 17}, {'-', 2, 17}, {'.', 4, 14}} {
		if isMAC(c.text[i:], form.sep, form.every, form.length) && !c.goesOn(i+form.length, form.sep, isHex) {
			return form.length
		}
	}
	return 0
}

func isMAC(text string, sep byte, every, length int) bool {
	if len(text) < length || text[every] != sep {
		return false
	}
	for i := range length {
		if i%(every+1) == every {
			if text[i] != sep {
				return false
			}
		} else if !isHex(text[i]) {
			return false
		}
	}
	return true
}

// goesOn says that at i there are sep and one more group, or what stands for it.
func (c *scan) goesOn(i int, sep byte, in func(byte) bool) bool {
	return i+1 < len(c.text) && c.text[i] == sep && (in(c.text[i+1]) || c.text[i+1] == '*' || c.labels.at(c.text, i+1) > 0)
}
