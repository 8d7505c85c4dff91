// Package mfatest is for tests of and around package mfa: a phone that makes codes, a store in memory, and the tests
// that every other store has to pass.
//
//	phone, err := mfatest.Scan(enrollment.URI)
//	phone.Clock = now
//	service.VerifyEnrollment(ctx, owner, enrollment.ID, phone.Code(0), phone.Code(1))
//
// It knows no database and no pages.
package mfatest
