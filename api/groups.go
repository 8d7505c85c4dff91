package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
)

// Group is a group of people.
type Group struct {
	Name        string `json:"name" doc:"It stands in tokens and never changes." example:"staff"`
	Description string `json:"description" example:"Everybody who works here"`
	Members     int    `json:"members"`
}

// NewGroup is a group that is to be.
type NewGroup struct {
	Name        string `json:"name" minLength:"1" maxLength:"64" doc:"Letters, digits and . _ - / :" example:"staff"`
	Description string `json:"description,omitempty" maxLength:"256"`
}

// GroupEdit is what is to change of a group.
type GroupEdit struct {
	Name        *string `json:"name,omitempty" doc:"That of the path, or left out."`
	Description string  `json:"description" maxLength:"256"`
}

// GroupPath is a group in the path.
type GroupPath struct {
	Name string `path:"name" maxLength:"64" doc:"The group's." example:"staff"`
}

type groupAnswer struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location" hidden:"true"`
	Body     Group
}

func groupOf(g account.Group) Group { return Group(g) }

// groupTag names the state of what can be edited of a group.
func groupTag(g account.Group) string { return contentTag(g.Name, g.Description) }

func (s *Server) addGroups() {
	read, write := []admin.Permission{admin.ReadPeople}, []admin.Permission{admin.WritePeople}
	add(s, operation{
		does: "GET /groups", id: "listGroups", about: "groups", summary: "List groups", needs: read,
	}, func(ctx context.Context, c *call, _ *struct{}) (*pageAnswer[Group], error) {
		groups, err := c.desk.Groups(ctx)
		if err != nil {
			return nil, err
		}
		return list(s, c, groups, "", groupOf), nil
	})
	add(s, operation{
		does: "POST /groups", id: "createGroup", about: "groups", summary: "Create a group", needs: write, status: http.StatusCreated,
		problems: []kind{taken},
	}, func(ctx context.Context, c *call, in *struct{ Body NewGroup }) (*groupAnswer, error) {
		g := account.Group{Name: in.Body.Name, Description: in.Body.Description}
		if err := c.desk.CreateGroup(ctx, g); err != nil {
			return nil, ofGroup(err, "name")
		}
		return &groupAnswer{ETag: groupTag(g), Location: s.address("groups", g.Name), Body: groupOf(g)}, nil
	})
	add(s, operation{
		does: "GET /groups/{name}", id: "getGroup", about: "groups", summary: "Get a group", needs: read, problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *GroupPath) (*groupAnswer, error) { return group(ctx, c, in.Name) })
	add(s, operation{
		does: "PATCH /groups/{name}", id: "describeGroup", about: "groups", summary: "Describe a group",
		needs: []admin.Permission{admin.ReadPeople, admin.WritePeople}, problems: []kind{notFound, mismatch},
	}, s.describeGroup)
	add(s, operation{
		does: "DELETE /groups/{name}", id: "deleteGroup", about: "groups", summary: "Delete a group", needs: write,
		text: "One with members only where members=remove says so, and none that the policy names.", problems: []kind{notFound, conflict},
	}, func(ctx context.Context, c *call, in *struct {
		GroupPath
		Members string `query:"members" enum:"keep,remove" default:"keep" doc:"What happens to memberships."`
	}) (*struct{}, error) {
		return nil, c.desk.DeleteGroup(ctx, in.Name, in.Members == "remove")
	})
	s.addMembers(read, write)
}

// ofGroup says which member of a group is refused: package account calls all of it groups.
func ofGroup(err error, member string) error {
	var refused *account.InvalidError
	if errors.As(err, &refused) && refused.Field == "groups" {
		return &account.InvalidError{Field: member, Reason: refused.Reason}
	}
	return err
}

func (s *Server) addMembers(read, write []admin.Permission) {
	add(s, operation{
		does: "GET /groups/{name}/members", id: "listMembers", about: "groups", summary: "List the members of a group", needs: read,
		problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *struct {
		GroupPath
		Place
	}) (*pageAnswer[Person], error) {
		if _, err := c.desk.Group(ctx, in.Name); err != nil {
			return nil, err
		}
		return s.listPeople(ctx, c, account.Query{Group: in.Name, Cursor: in.Cursor, Limit: in.Limit})
	})
	add(s, operation{
		does: "POST /groups/{name}/members", id: "addMember", about: "groups", summary: "Put a person into a group", needs: write,
		status: http.StatusNoContent, text: "What is so already stays.", problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *struct {
		GroupPath
		Body struct {
			ID string `json:"id" minLength:"1" maxLength:"128" doc:"The person's."`
		} `nameHint:"NewMember"`
	}) (*struct{}, error) {
		return nil, s.setMember(ctx, c, in.Body.ID, in.Name, true)
	})
	add(s, operation{
		does: "DELETE /groups/{name}/members/{id}", id: "removeMember", about: "groups", summary: "Take a person out of a group", needs: write,
		problems: []kind{notFound},
	}, func(ctx context.Context, c *call, in *struct {
		GroupPath
		PersonPath
	}) (*struct{}, error) {
		return nil, s.setMember(ctx, c, in.ID, in.Name, false)
	})
}

func (s *Server) setMember(ctx context.Context, c *call, id, name string, member bool) error {
	if _, err := s.cfg.Actions.Accounts.Group(ctx, name); err != nil { // in the path it is a thing, not a value
		return err
	}
	var err error
	for range 5 { // somebody else may change the person at the same moment, which is no contradiction
		if err = c.desk.SetMember(ctx, id, name, member); !errors.Is(err, account.ErrStale) {
			break
		}
	}
	return err
}

func group(ctx context.Context, c *call, name string) (*groupAnswer, error) {
	g, err := c.desk.Group(ctx, name)
	if err != nil {
		return nil, err
	}
	return &groupAnswer{ETag: groupTag(g), Body: groupOf(g)}, nil
}

func (s *Server) describeGroup(ctx context.Context, c *call, in *struct {
	GroupPath
	IfMatch
	Body GroupEdit
}) (*groupAnswer, error) {
	if in.Body.Name != nil && *in.Body.Name != in.Name {
		return nil, problem(mismatch, "The body names another group than the path.").with(FieldError{Pointer: "#/name", Code: "mismatch"})
	}
	g, err := c.desk.Group(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	if err := in.holds(groupTag(g)); err != nil {
		return nil, err
	}
	if err := c.desk.DescribeGroup(ctx, g.Name, g.Description, in.Body.Description); err != nil {
		return nil, ofGroup(err, "description")
	}
	return group(ctx, c, in.Name)
}
