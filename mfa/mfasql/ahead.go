package mfasql

import "github.com/focushq/idp/internal/dbx"

// HoldingLookup is what [Store.Holding] will ask, for those who read ahead.
func HoldingLookup(subject dbx.Arg) dbx.Lookup { return about(selectHolding, subject) }

// AuthenticatorsLookup is what [Store.Authenticators] will ask.
func AuthenticatorsLookup(subject dbx.Arg) dbx.Lookup { return about(selectAuthenticators, subject) }

// StatusLookups are what mfa.Service.Status will ask of the Store about the person in that column.
func StatusLookups(column string) []dbx.Lookup {
	subject, tries := dbx.Of(column), dbx.Attempts{Table: attemptsTable}
	return []dbx.Lookup{
		AuthenticatorsLookup(subject), about(selectSet, subject), about(selectCodes, subject), about(selectDevices, subject),
		tries.Lookup(dbx.Arg{Prefix: "totp/", Column: column}), tries.Lookup(dbx.Arg{Prefix: "recovery/", Column: column}),
	}
}

func about(query string, subject dbx.Arg) dbx.Lookup {
	return dbx.Lookup{Query: query, Args: []dbx.Arg{subject}}
}

// attemptsTable keeps the counts of tries.
const attemptsTable = "mfa_attempts"
