package pii

// Words before a number without separators.
var (
	ssnWords = []string{"ssn", "security", "itin"} // of "social security"
	cpfWords = []string{"cpf"}
)

// ids looks for identifiers of persons.
func (c *scan) ids(x *number) {
	if n := c.id(x); n > 0 && c.right(n) {
		c.add(kindID, x.start, n)
	}
}

// id is where the identifier ends that x begins with, or 0.
func (c *scan) id(x *number) int {
	start, first := x.start, x.groups[0]
	switch {
	case (x.lengths('-', 3, 2, 4) || x.lengths(' ', 3, 2, 4)) && ssn(x):
		return x.end(3)
	case first.to == 9 && ssn(x) && c.behind(start, ssnWords):
		return x.end(1)
	case x.lengths('-', 3, 3, 3) && x.digits[0] != 0 && x.digits[0] != 8 && luhn(x.digits[:9]): // Canada
		return x.end(3)
	case x.lengths('.', 3, 3, 3) && x.n > 3 && x.groups[3].sep == '-' && x.count(4) == 11 && cpf(x):
		return x.end(4)
	case first.to == 11 && cpf(x) && c.behind(start, cpfWords):
		return x.end(1)
	case first.to == 15 && nir(x):
		return x.end(1)
	case x.lengths(' ', 1, 2, 2, 2, 3, 3, 2) && nir(x):
		return x.end(7)
	case first.to == 8 && c.dni(x):
		return x.end(1) + 1
	}
	return 0
}

// ssn says that nine digits are a US social security number, or one of a taxpayer who has none.
func ssn(x *number) bool {
	area, middle, serial := x.value(0, 3), x.value(3, 5), x.value(5, 9)
	if area >= 900 { // ITIN
		return middle >= 50 && middle <= 99
	}
	return area != 0 && area != 666 && middle != 0 && serial != 0
}

// cpf is the check of a Brazilian CPF.
func cpf(x *number) bool {
	same := true
	for n := 9; n <= 10; n++ {
		sum := 0
		for i := range n {
			sum += int(x.digits[i]) * (n + 1 - i)
			same = same && x.digits[i] == x.digits[0]
		}
		if int(x.digits[n]) != sum*10%11%10 {
			return false
		}
	}
	return !same
}

// nir is the check of a French social security number.
func nir(x *number) bool {
	if d := x.digits[0]; d != 1 && d != 2 {
		return false
	}
	if m := x.value(3, 5); m == 0 || m > 12 && m < 20 || m > 42 && m < 50 {
		return false
	}
	return 97-x.value(0, 13)%97 == x.value(13, 15)
}

// dni is the check of a Spanish DNI: the letter behind eight digits.
func (c *scan) dni(x *number) bool {
	end := x.end(1)
	return end < len(c.text) && c.text[end] == "TRWAGMYFPDXBNJZSQVHLCKE"[x.value(0, 8)%23]
}

// nino looks for a British national insurance number, AB 12 34 56 C, whose digits begin at i.
func (c *scan) nino(i int) {
	text, start := c.text, i-2
	if start > 0 && text[i-1] == ' ' {
		start--
	}
	if start < 0 || !isUpper(text[start]) || !isUpper(text[start+1]) || !c.left(start) {
		return
	}
	switch a, b := text[start], text[start+1]; {
	case within("DFIQUV", a), within("DFIQUVO", b), pair("BGGBKNNKNTTNZZ", a, b):
		return
	}
	j, digits, spaced := i, 0, text[i-1] == ' '
	for ; digits < 6; j++ {
		if spaced && digits > 0 && digits%2 == 0 && j < len(text) && text[j] == ' ' {
			j++
		}
		if j >= len(text) || !isDigit(text[j]) {
			return
		}
		digits++
	}
	if spaced && j < len(text) && text[j] == ' ' {
		j++
	}
	if j < len(text) && text[j] >= 'A' && text[j] <= 'D' && c.right(j+1) {
		c.add(kindID, start, j+1)
	}
}

func isUpper(b byte) bool { return classes[b] == upper }

func within(set string, b byte) bool {
	for i := range len(set) {
		if set[i] == b {
			return true
		}
	}
	return false
}

// pair says that a and b are one of the pairs.
func pair(pairs string, a, b byte) bool {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == a && pairs[i+1] == b {
			return true
		}
	}
	return false
}
