package mfapasskey

import (
	"context"

	"github.com/focushq/idp/mfa"
)

var _ mfa.BatchFactor = (*asFactor)(nil)

func (f *asFactor) EnrolledAmong(ctx context.Context, subjects []string) ([]string, error) {
	return f.db.Present(ctx, "mfa_passkeys", "subject", subjects)
}
