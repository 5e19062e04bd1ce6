package pii

import "net/netip"

// ipv4 looks for four groups of digits.
func (c *scan) ipv4(x *number) {
	if x.n < 4 {
		return
	}
	start, end := x.groups[0].start, x.groups[3].end
	var a [4]byte
	for i, g := range x.groups[:4] {
		v := x.value(g.from, min(g.to, g.from+4))
		if i > 0 && g.sep != '.' || v > 255 || g.to-g.from > 3 || g.to-g.from > 1 && x.digits[g.from] == 0 {
			return
		}
		a[i] = byte(v)
	}
	if start > 0 && c.text[start-1] == '.' || !c.right(end) || end+1 < len(c.text) && c.text[end] == '.' && isDigit(c.text[end+1]) {
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
		if i >= len(w) && equalFold(c.text[i-len(w):i], w) {
			return true
		}
	}
	return false
}

// equalFold compares with a text in lower case.
func equalFold(text, lowered string) bool {
	for i := range len(lowered) {
		b := text[i]
		if isUpper(b) {
			b |= 0x20
		}
		if b != lowered[i] {
			return false
		}
	}
	return true
}

// addresses looks for IPv6 and MAC addresses in a word: runs of hexadecimal digits, colons, dashes and dots.
func (c *scan) addresses(start, end int, all uint8) {
	for i := start; i < end; {
		from, colons, dashes, dots := i, 0, 0, 0
	run:
		for i < end {
			switch b := c.text[i]; {
			case isHex(b):
			case b == ':':
				colons++
			case b == '-':
				dashes++
			case b == '.':
				dots++
			default:
				break run
			}
			i++
		}
		if i-from >= 3 && colons+dashes+dots >= 2 && (c.left(from)) {
			c.address(from, i, colons, dashes, dots)
		}
		i++
	}
}

func isHex(b byte) bool { return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }

func (c *scan) address(from, to, colons, dashes, dots int) {
	for to > from && (c.text[to-1] == '.' || c.text[to-1] == '-' || c.text[to-1] == ':' && (to-from < 2 || c.text[to-2] != ':')) {
		to--
	}
	if !c.right(to) {
		return
	}
	text := c.text[from:to]
	if isMAC(text) {
		c.add(kindMAC, from, to)
		return
	}
	if colons < 2 || len(text) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return
	}
	for len(text) > 0 && text[0] == '-' {
		from, text = from+1, text[1:]
	}
	digits := 0
	for i := range len(text) {
		if isDigit(text[i]) {
			digits++
		}
	}
	a, err := netip.ParseAddr(text)
	if err != nil || digits == 0 || a.IsUnspecified() || a.IsLoopback() {
		return
	}
	c.add(kindIP, from, to)
}

// isMAC knows 00:1b:44:11:3a:b7, the same with dashes, and 001b.4411.3ab7.
func isMAC(text string) bool {
	every, sep := 2, byte(':')
	switch len(text) {
	case 17:
		sep = text[2]
	case 14:
		every, sep = 4, '.'
	default:
		return false
	}
	if sep != ':' && sep != '-' && every == 2 {
		return false
	}
	for i := range len(text) {
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
