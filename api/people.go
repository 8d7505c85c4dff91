package api

import (
	"context"
	"net/http"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
)

// Person is an account.
type Person struct {
	ID            string     `json:"id" doc:"Never changes, and is the sub of tokens." example:"JBSWY3DPEHPK3PXPJBSWY3DPEH"`
	Username      string     `json:"username" example:"alice"`
	Email         string     `json:"email" example:"alice@example.com"`
	EmailVerified bool       `json:"email_verified"`
	Name          string     `json:"name" example:"Alice Example"`
	Groups        []string   `json:"groups" nullable:"false" example:"[\"staff\"]"`
	Role          string     `json:"role" enum:",auditor,helpdesk,administrator" doc:"Empty: none." example:"helpdesk"`
	Disabled      bool       `json:"disabled"`
	Compromised   bool       `json:"password_compromised" doc:"Others may know the password: another one is asked for first."`
	HasPassword   bool       `json:"has_password"`
	MFAEnrolled   bool       `json:"mfa_enrolled" doc:"As of a moment ago: /people/{id}/mfa is exact."`
	CodesLeft     int        `json:"recovery_codes_left" doc:"Likewise."`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	SignedInAt    *time.Time `json:"signed_in_at,omitempty" doc:"The last time, to the hour; not there: never."`
	Version       int64      `json:"version" doc:"Of what can be edited; the ETag."`
}

func person(a *account.Account) Person {
	return Person{
		ID: a.Subject, Username: a.Username, Email: a.Email, EmailVerified: a.EmailVerified, Name: a.Name, Groups: append([]string{}, a.Groups...),
		Role: string(a.Role()), Disabled: a.Disabled, Compromised: a.Compromised, HasPassword: !a.PasswordAt.IsZero(),
		MFAEnrolled: a.MFAEnrolled, CodesLeft: a.CodesLeft, CreatedAt: a.CreatedAt.UTC(), UpdatedAt: a.UpdatedAt.UTC(), SignedInAt: when(a.SignedInAt),
		Version: a.Version,
	}
}

// when returns a time as it is written, nil for never.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Filters says which people are meant.
type Filters struct {
	Text          string `query:"text" maxLength:"256" doc:"Each of its words begins a word of the user name, the e-mail address or the name."`
	Group         string `query:"group" maxLength:"64" doc:"Members of it."`
	Role          string `query:"role" enum:"auditor,helpdesk,administrator" doc:"Who has that one."`
	AnyRole       bool   `query:"any_role" doc:"Who has one."`
	Disabled      string `query:"disabled" enum:"true,false" doc:"Who may not sign in, or may."`
	WithoutMFA    bool   `query:"without_mfa" doc:"Who has no second factor."`
	FewCodes      bool   `query:"few_codes" doc:"Who has three recovery codes left, or fewer."`
	NeverSignedIn bool   `query:"never_signed_in" doc:"Who never did."`
	NoPassword    bool   `query:"no_password" doc:"Who has none yet."`
	Sort          string `query:"sort" enum:"username,name,created,signed_in" default:"username" doc:"The order."`
	Descending    bool   `query:"descending" doc:"The other way round."`
}

func (w Filters) query() account.Query {
	return account.Query{
		Text: w.Text, Group: w.Group, Role: account.Role(w.Role), AnyRole: w.AnyRole, Disabled: choice(w.Disabled), WithoutMFA: w.WithoutMFA,
		FewCodes: w.FewCodes, NeverSignedIn: w.NeverSignedIn, NoPassword: w.NoPassword, Sort: account.Sort(w.Sort), Descending: w.Descending,
	}
}

// PersonPath names a person.
type PersonPath struct {
	ID string `path:"id" maxLength:"128" doc:"The person's." example:"JBSWY3DPEHPK3PXPJBSWY3DPEH"`
}

// personAnswer is an answer with a person.
type personAnswer struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location" hidden:"true"`
	Body     Person
}

func answerPerson(a *account.Account) *personAnswer {
	return &personAnswer{ETag: versionTag(a.Version), Body: person(a)}
}

// NewPerson is somebody who is to have an account. There is no member for a password: they choose it by a link.
type NewPerson struct {
	Username      string   `json:"username" maxLength:"128" example:"alice"`
	Email         string   `json:"email,omitempty" maxLength:"254" example:"alice@example.com"`
	EmailVerified bool     `json:"email_verified,omitempty"`
	Name          string   `json:"name,omitempty" maxLength:"256" example:"Alice Example"`
	Groups        []string `json:"groups,omitempty" nullable:"false" maxItems:"1000" doc:"Needs idp.people.write."`
	Role          string   `json:"role,omitempty" enum:"auditor,helpdesk,administrator" doc:"Needs idp.staff.write."`
}

// PersonEdit is what is to change of a person. What is left out stays.
type PersonEdit struct {
	ID            *string   `json:"id,omitempty" doc:"That of the path, or left out."`
	Username      *string   `json:"username,omitempty" maxLength:"128"`
	Email         *string   `json:"email,omitempty" maxLength:"254" doc:"Empty: none. A new one is not verified."`
	EmailVerified *bool     `json:"email_verified,omitempty" doc:"Needs idp.people.write to become true."`
	Name          *string   `json:"name,omitempty" maxLength:"256"`
	Groups        *[]string `json:"groups,omitempty" nullable:"false" maxItems:"1000" doc:"All of them. Needs idp.people.write."`
}

func (s *Server) addPeople() {
	read, help := []admin.Permission{admin.ReadPeople}, []admin.Permission{admin.HelpPeople}
	add(s, operation{
		does: "GET /people", id: "listPeople", about: "people", summary: "List people", needs: read,
	}, func(ctx context.Context, c *call, in *struct {
		Filters
		Place
	}) (*pageAnswer[Person], error) {
		q := in.query()
		q.Cursor, q.Limit = in.Cursor, in.Limit
		return s.listPeople(ctx, c, q)
	})
	add(s, operation{
		does: "POST /people", id: "createPerson", about: "people", summary: "Create a person", needs: help, status: http.StatusCreated,
		text: "The person has no password yet: invite them.", problems: []kind{taken},
	}, func(ctx context.Context, c *call, in *struct{ Body NewPerson }) (*personAnswer, error) {
		b := in.Body
		made, err := c.desk.CreatePerson(ctx, account.NewAccount{
			Username: b.Username, Email: b.Email, EmailVerified: b.EmailVerified, Name: b.Name, Groups: b.Groups, Role: account.Role(b.Role),
		})
		if err != nil {
			return nil, err
		}
		answer := answerPerson(made)
		answer.Location = s.address("people", made.Subject)
		return answer, nil
	})
	add(s, operation{
		does: "GET /people/{id}", id: "getPerson", about: "people", summary: "Get a person", needs: read, problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *PersonPath) (*personAnswer, error) {
		who, err := c.desk.Person(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return answerPerson(who.Account), nil
	})
	add(s, operation{
		does: "PATCH /people/{id}", id: "editPerson", about: "people", summary: "Edit a person",
		needs: []admin.Permission{admin.ReadPeople, admin.HelpPeople}, problems: []kind{notFound, taken, mismatch},
	}, s.editPerson)
	add(s, operation{
		does: "DELETE /people/{id}", id: "deletePerson", about: "people", summary: "Delete a person",
		text:  "The person and all that is kept about them go, but for the audit trail. It cannot be undone.",
		needs: []admin.Permission{admin.WritePeople}, problems: []kind{notFound, lastAdministrator, notYourself},
	}, func(ctx context.Context, c *call, in *PersonPath) (*struct{}, error) {
		return nil, c.desk.Delete(ctx, in.ID)
	})
	add(s, operation{
		does: "POST /people/{id}/role", id: "setRole", about: "people", summary: "Give a person a role, or take it away",
		text: "Every session of the person ends.", status: http.StatusNoContent,
		needs: []admin.Permission{admin.WriteStaff}, problems: []kind{notFound, lastAdministrator, notYourself},
	}, func(ctx context.Context, c *call, in *struct {
		PersonPath
		Body struct {
			Role string `json:"role" enum:",auditor,helpdesk,administrator" doc:"Empty: none."`
		} `nameHint:"RoleChange"`
	}) (*struct{}, error) {
		return nil, c.desk.SetRole(ctx, in.ID, account.Role(in.Body.Role))
	})
}

func (s *Server) listPeople(ctx context.Context, c *call, q account.Query) (*pageAnswer[Person], error) {
	page, err := c.desk.People(ctx, q)
	if err != nil {
		return nil, err
	}
	out := list(s, c, page.People, page.Next, person)
	out.Body.Total, out.Body.More = page.Total, page.More
	return out, nil
}

func (s *Server) editPerson(ctx context.Context, c *call, in *struct {
	PersonPath
	IfMatch
	Body PersonEdit
}) (*personAnswer, error) {
	if in.Body.ID != nil && *in.Body.ID != in.ID {
		return nil, problem(mismatch, "The body names another person than the path.").with(FieldError{Pointer: "#/id", Code: "mismatch"})
	}
	who, err := c.desk.Person(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := in.holds(versionTag(who.Version)); err != nil {
		return nil, err
	}
	e := admin.Edit{
		Version: who.Version, Username: or(in.Body.Username, who.Username), Name: or(in.Body.Name, who.Name), Email: or(in.Body.Email, who.Email),
		EmailVerified: or(in.Body.EmailVerified, who.EmailVerified), Groups: or(in.Body.Groups, who.Groups),
	}
	if in.Body.EmailVerified == nil && e.Email != who.Email {
		e.EmailVerified = false
	}
	if err := c.desk.EditPerson(ctx, in.ID, e); err != nil {
		return nil, err
	}
	if who, err = c.desk.Person(ctx, in.ID); err != nil {
		return nil, err
	}
	return answerPerson(who.Account), nil
}

// or returns what is set, or what there was.
func or[T any](set *T, was T) T {
	if set == nil {
		return was
	}
	return *set
}
