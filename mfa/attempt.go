package mfa

import "time"

// Limits say how many wrong codes are looked at. A Limit that is left zero gets its default; there is no way to have
// none.
type Limits struct {
	TOTP     Limit
	Recovery Limit
}

// Limit is the price of wrong codes in a row, counted per person over all sessions, addresses and replicas. Only a
// success clears the count; time and restarts don't.
type Limit struct {
	Waits []Wait // ascending; the first may begin at the 10th failure at the latest
	Seal  int    // after so many failures no code is looked at any more; at most 100 (NIST SP 800-63B, section 3.2.2)
}

// Wait is the pause that follows each failure from the From-th on.
type Wait struct {
	From int
	For  time.Duration // 30 seconds or more
}
