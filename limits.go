package idp

import (
	"fmt"
	"time"

	"github.com/focushq/idp/internal/throttle"
	"github.com/focushq/idp/mfa"
)

// LimitsConfig sets the throttles. A limit that is not given keeps its default; none can be switched off.
type LimitsConfig struct {
	MinPassword int   `yaml:"min_password"` // fewest characters of a new password
	Password    Limit `yaml:"password"`     // tries per person
	Address     Limit `yaml:"address"`      // tries of passwords per network address
	Code        Limit `yaml:"code"`         // app codes per person
	Recovery    Limit `yaml:"recovery"`     // recovery codes per person
	CodeAddress Limit `yaml:"code_address"` // tries of second factors, of every kind, per network address; it has no seal
}

// Limit says after how many tries how long somebody waits, and when nothing is looked at any more.
type Limit struct {
	Waits []struct {
		From int      `yaml:"from"`
		For  Duration `yaml:"for"`
	} `yaml:"waits"`
	Seal int `yaml:"seal"` // 0: never
}

// Policy returns the limit in the form that the domains take; the zero value stands for their default.
func (l Limit) Policy() throttle.Policy {
	p := throttle.Policy{Seal: l.Seal}
	for _, w := range l.Waits {
		p.Waits = append(p.Waits, throttle.Wait{From: w.From, For: time.Duration(w.For)})
	}
	return p
}

// validate refuses a limit that would limit nothing, by its key: an installation must not stand open by a slip. 100
// failures in a row are the most that NIST SP 800-63B-4 section 3.2.2 allows; an address can be that of many people.
func (l LimitsConfig) validate() error {
	for _, limit := range []struct {
		key  string
		set  Limit
		most int
	}{
		{"password", l.Password, 100}, {"address", l.Address, 10000},
		{"code", l.Code, 100}, {"recovery", l.Recovery, 100}, {"code_address", l.CodeAddress, 10000},
	} {
		if len(limit.set.Waits) == 0 && limit.set.Seal == 0 {
			continue // the default
		}
		if err := limit.set.Policy().Validate(); err != nil {
			return fmt.Errorf("%s: %w", limit.key, err)
		}
		if first := limit.set.Waits[0]; first.From > limit.most || first.For < Duration(time.Second) {
			return fmt.Errorf("%s: the first wait must come after %d failures at the latest and last a second at least", limit.key, limit.most)
		}
		if limit.key == "code_address" && limit.set.Seal != 0 {
			return fmt.Errorf("%s: a network is never sealed: leave seal out", limit.key)
		}
		if limit.key == "code" || limit.key == "recovery" { // package mfa would say so too, and not by the key
			if err := limit.set.factor().Validate(); err != nil {
				return fmt.Errorf("%s: %w", limit.key, err)
			}
		}
	}
	return nil
}

// codes returns the limits of the second factor, those not set as they are by default.
func (l LimitsConfig) codes() mfa.Limits {
	return mfa.Limits{TOTP: l.Code.factor(), Recovery: l.Recovery.factor(), Network: l.CodeAddress.factor()}
}

func (l Limit) factor() mfa.Limit {
	out := mfa.Limit{Seal: l.Seal}
	for _, w := range l.Waits {
		out.Waits = append(out.Waits, mfa.Wait{From: w.From, For: time.Duration(w.For)})
	}
	return out
}
