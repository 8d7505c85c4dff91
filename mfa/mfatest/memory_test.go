package mfatest_test

import (
	"testing"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

func TestMemory(t *testing.T) {
	mfatest.RunStore(t, func(*testing.T) mfa.Store { return mfatest.Memory() })
}
