package admin

import (
	"slices"

	"github.com/focushq/idp/account"
)

// Permission is one kind of thing that may be done. Its text is also the scope that an access token for the API needs (RFC
// 6749 section 3.3).
type Permission string

// The permissions. Who may write may not read by that: each is asked for by itself.
const (
	ReadPeople    Permission = "idp.people.read"
	HelpPeople    Permission = "idp.people.help"  // what gets somebody back in or out: disable, links, factors, sessions
	WritePeople   Permission = "idp.people.write" // groups, memberships, imports, exports, deleting
	WriteStaff    Permission = "idp.staff.write"  // roles, and whatever is done to somebody who has one
	ReadClients   Permission = "idp.clients.read"
	WriteClients  Permission = "idp.clients.write"
	ReadSettings  Permission = "idp.settings.read" // policy, branding, mail, signing keys
	WriteSettings Permission = "idp.settings.write"
	ReadTrail     Permission = "idp.audit.read"
)

// Permissions returns all of them.
func Permissions() []Permission {
	return []Permission{ReadPeople, HelpPeople, WritePeople, WriteStaff, ReadClients, WriteClients, ReadSettings, WriteSettings, ReadTrail}
}

// granted says what each role may do. The help desk reads the trail of those whom it may help, see [Desk.Trail].
func granted(role account.Role) []Permission {
	switch role {
	case account.Administrator:
		return Permissions()
	case account.HelpDesk:
		return []Permission{ReadPeople, HelpPeople}
	case account.Auditor:
		return []Permission{ReadPeople, ReadClients, ReadSettings, ReadTrail}
	}
	return nil
}

// Actor is who uses a [Desk].
type Actor struct {
	Subject string       // the person; "" for a program that acts for itself
	Client  string       // the client_id of the program through which it is done, "" for the console
	Role    account.Role // of the person when they were asked for; it is looked up again before anything is changed
	// Scopes narrow what may be done to these: those of an access token. A program that acts for itself may do what they say.
	// Nil, which only a person may have: whatever the role allows.
	Scopes []Permission
}

// May reports whether the actor may do things of that kind at all. Whom they may do it to is another question.
func (a Actor) May(p Permission) bool {
	program := a.Subject == ""
	if (program || a.Scopes != nil) && !slices.Contains(a.Scopes, p) {
		return false
	}
	return program || slices.Contains(granted(a.Role), p)
}

// name is how the trail calls the actor.
func (a Actor) name() string {
	if a.Subject != "" {
		return a.Subject
	}
	return a.Client
}
