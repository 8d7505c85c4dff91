package api

import (
	"context"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
)

// Figures say how people and sign-ins stand.
type Figures struct {
	Now     PeopleFigures   `json:"now"`
	Days    []PeopleFigures `json:"days" nullable:"false" doc:"Days of the span on which a replica ran, the oldest first."`
	SignIns []SignInDay     `json:"sign_ins" nullable:"false" doc:"30 days, the last is today."`
	Waiting int             `json:"waiting" doc:"People whose next password is not looked at yet, after wrong ones."`
	Sealed  int             `json:"sealed" doc:"People who have a factor of which nothing is looked at any more."`
}

// PeopleFigures are how people stood on a day.
type PeopleFigures struct {
	Day         string `json:"day" format:"date" example:"2026-11-30"`
	People      int    `json:"people"`
	Disabled    int    `json:"disabled"`
	Enabled     int    `json:"enabled" doc:"Who may sign in."`
	Enrolled    int    `json:"enrolled" doc:"Of those, with a second factor."`
	FewCodes    int    `json:"few_codes" doc:"Of those, with few recovery codes."`
	SignedIn30d int    `json:"signed_in_30d"`
}

// SignInDay is how sign-ins went on a day.
type SignInDay struct {
	Day        string `json:"day" format:"date"`
	Passwords  int    `json:"passwords" doc:"That were right."`
	Passkeys   int    `json:"passkeys" doc:"That signed in alone."`
	Refused    int    `json:"refused" doc:"Passwords, and passkeys alone."`
	WrongCodes int    `json:"wrong_codes"`
	Unlooked   int    `json:"codes_not_looked_at"`
}

func peopleFigures(f account.Figures) PeopleFigures {
	return PeopleFigures{f.Day.Format(time.DateOnly), f.People, f.Disabled, f.Enabled, f.Enrolled, f.FewCodes, f.SignedIn30d}
}

func (s *Server) addFigures() {
	add(s, operation{
		does: "GET /figures", id: "getFigures", about: "people", summary: "Get figures of people and sign-ins", needs: []admin.Permission{admin.ReadPeople},
	}, func(ctx context.Context, c *call, in *struct {
		Days int `query:"days" minimum:"1" maximum:"400" default:"30" doc:"How many days of people."`
	}) (*struct{ Body Figures }, error) {
		now, out := s.cfg.Now(), Figures{Days: []PeopleFigures{}, SignIns: []SignInDay{}}
		people, err := s.cfg.Actions.Accounts.FiguresNow(ctx) // the guard has asked for the permission
		if err != nil {
			return nil, err
		}
		days, err := s.cfg.Actions.Accounts.Figures(ctx, now.AddDate(0, 0, 1-in.Days), now)
		if err != nil {
			return nil, err
		}
		signIns, err := c.desk.SignInFigures(ctx, now)
		if err != nil {
			return nil, err
		}
		out.Now, out.Waiting, out.Sealed = peopleFigures(people), signIns.Waiting, signIns.Sealed
		for _, day := range days {
			out.Days = append(out.Days, peopleFigures(day))
		}
		for _, d := range signIns.Days {
			out.SignIns = append(out.SignIns, SignInDay{d.Day.Format(time.DateOnly), d.Passwords, d.Passkeys, d.Refused, d.WrongCodes, d.Unlooked})
		}
		return &struct{ Body Figures }{out}, nil
	})
}
