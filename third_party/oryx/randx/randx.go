// Package randx is the part of github.com/ory/x/randx that ory/fosite calls.
package randx

import (
	"crypto/rand"
	"math/big"
)

// AlphaUpper holds the letters A to Z.
var AlphaUpper = []rune("ABCDEFGHIJKLMNOPQRSTUVWXYZ")

// RuneSequence returns n runes drawn evenly from allowed by the system's secure source.
func RuneSequence(n int, allowed []rune) ([]rune, error) {
	out := make([]rune, n)
	size := big.NewInt(int64(len(allowed)))
	for i := range out {
		at, err := rand.Int(rand.Reader, size)
		if err != nil {
			return nil, err
		}
		out[i] = allowed[at.Int64()]
	}
	return out, nil
}
