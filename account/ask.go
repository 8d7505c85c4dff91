package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/throttle"
)

// ResetLife is how long a link to a new password is good (NIST SP 800-63B-4 section 4.2.1.2), InviteLife how long one to
// the first password.
const (
	ResetLife  = time.Hour
	InviteLife = 72 * time.Hour
)

const longestLanguage = 100 // bytes of an Accept-Language that are kept

// AskReset notes that somebody at the IP address, who says that name is theirs, wants a link to a new password; language
// is what to write to them in. It does and answers the same whether or not there is such a person: what follows is up to
// [Service.AnswerAsks]. It returns a [*throttle.Error] after too many for that name or from that network.
func (s *Service) AskReset(ctx context.Context, name, address, language string) error {
	key := Canonical(name)
	counts := []struct {
		key    string
		policy throttle.Policy
	}{{s.networkKey(address), s.cfg.Limits.AskAddress}, {"name/" + s.hashName(key), s.cfg.Limits.Ask}}
	for _, c := range counts {
		if c.key == "" {
			continue
		}
		if _, err := throttle.Reserve(ctx, s.attempts, c.policy, askKey(c.key), s.now()); err != nil {
			return fmt.Errorf("account: %w", err)
		}
	}
	subject := ""
	r, err := s.rowNamed(ctx, key)
	if err == nil {
		subject = r.Subject
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	language = strings.ToValidUTF8(language[:min(len(language), longestLanguage)], "")
	err = s.change(ctx, Event{Kind: EventResetAsked, Subject: subject}, func(ctx context.Context) error {
		_, err := s.cfg.DB.Exec(ctx, `INSERT INTO account_asks (id, subject, language, asked_at) VALUES ($1, $2, $3, $4)`,
			rand.Text(), subject, language, s.now().Unix())
		return err
	})
	if err != nil {
		return fmt.Errorf("account: ask: %w", err)
	}
	return nil
}

// AnswerAsks hands everybody who waits for a link, and may have one, to answer, with the language of [Service.AskReset],
// in a transaction that takes them off the list: each is answered once, on whatever replica. Others are forgotten.
func (s *Service) AnswerAsks(ctx context.Context, answer func(ctx context.Context, a *Account, language string) error) error {
	more := false // most of the time, which costs one look
	if err := s.cfg.DB.Get(ctx, &more, `SELECT EXISTS (SELECT 1 FROM account_asks)`); err != nil {
		return fmt.Errorf("account: answer: %w", err)
	}
	for more {
		err := s.cfg.DB.InTx(ctx, func(ctx context.Context) (err error) {
			more, err = s.answerNext(ctx, answer)
			return err
		})
		if err != nil {
			return fmt.Errorf("account: answer: %w", err)
		}
	}
	return nil
}

func (s *Service) answerNext(ctx context.Context, answer func(context.Context, *Account, string) error) (more bool, err error) {
	var ask struct {
		Subject  string `db:"subject"`
		Language string `db:"language"`
	}
	err = s.cfg.DB.Get(ctx, &ask, `
		DELETE FROM account_asks WHERE id = (SELECT id FROM account_asks ORDER BY asked_at, id LIMIT 1)
		RETURNING subject, language`)
	if dbx.IsNotFound(err) { // none, or another replica was quicker and goes on
		return false, nil
	}
	if err != nil {
		return false, err
	}
	a, err := s.Active(ctx, ask.Subject)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDisabled) || err == nil && a.Email == "" {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	// Once more, by the person: each of their names was counted by itself, or the wait would tell which belong together.
	_, err = throttle.Reserve(ctx, s.attempts, s.cfg.Limits.Ask, askKey(personKey(ask.Subject)), s.now())
	var wait *throttle.Error
	if errors.As(err, &wait) {
		return true, nil
	}
	if err == nil {
		err = answer(ctx, a, ask.Language)
	}
	return true, err
}

func askKey(key string) string { return "ask/" + key }
