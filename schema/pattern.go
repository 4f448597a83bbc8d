package schema

import (
	"errors"
	"regexp"
	"regexp/syntax"
)

// maxPatternSteps bounds the compiled patterns of one schema: 16 bytes can repeat something into 100 MB. It is far more than names of
// fields need.
const maxPatternSteps = 16 << 10

const stepSize = 64 // bytes of memory, about

var errPatternTooLarge = errors.New("the pattern is too large once it is compiled")

// maxMatching bounds what it takes to search one name for the patterns of one place: the bytes of the name times the steps of the patterns, each 35 ns at
// worst. Names of 1024 bytes can always be searched.
const maxMatching = 16 << 20

// pattern compiles one pattern, unless this would take more than is left of maxPatternSteps.
func (p *parser) pattern(source string) (re *regexp.Regexp, size int, err error) {
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, 0, err
	}
	size = steps(tree)
	if p.patternSteps += size; p.patternSteps > maxPatternSteps {
		return nil, 0, errPatternTooLarge
	}
	re, err = regexp.Compile(source)
	return re, size, err
}

// steps is how many instructions a pattern takes about, at most one more than maxPatternSteps. Ten bounds of a
// character class have the size of one.
func steps(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	if re.Op == syntax.OpCharClass {
		n = 1 + len(re.Rune)/10
	}
	for _, sub := range re.Sub {
		n = min(n+steps(sub), maxPatternSteps+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(1, re.Min, re.Max) // 1000 at most
	}
	return min(n, maxPatternSteps+1)
}
