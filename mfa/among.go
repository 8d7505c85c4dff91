package mfa

import "context"

// BatchFactor is a [Factor] that can answer for many people at once. One that is none is asked for each of them.
type BatchFactor interface {
	Factor
	// EnrolledAmong returns those of subjects who can use this factor now, in any order. There may be 100,000 of them.
	EnrolledAmong(ctx context.Context, subjects []string) ([]string, error)
}

// EnrolledAmong is [Service.Enrolled] for many people: it holds true for those of subjects who have a factor of any kind,
// and nobody else.
func (s *Service) EnrolledAmong(ctx context.Context, subjects []string) (map[string]bool, error) {
	out, rest := make(map[string]bool), subjects
	note := func(found []string, err error) error {
		if err != nil {
			return err
		}
		for _, subject := range found {
			out[subject] = true
		}
		var none []string
		for _, subject := range rest {
			if !out[subject] {
				none = append(none, subject)
			}
		}
		rest = none
		return nil
	}
	if err := note(s.store.AuthenticatorsAmong(ctx, rest)); err != nil {
		return nil, err
	}
	for _, f := range s.others {
		if err := note(among(ctx, f, rest)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// among returns those of subjects who have f.
func among(ctx context.Context, f Factor, subjects []string) ([]string, error) {
	if batch, ok := f.(BatchFactor); ok {
		return batch.EnrolledAmong(ctx, subjects)
	}
	var out []string
	for _, subject := range subjects {
		enrolled, err := f.Enrolled(ctx, subject)
		if err != nil {
			return nil, err
		}
		if enrolled {
			out = append(out, subject)
		}
	}
	return out, nil
}
