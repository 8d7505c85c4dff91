package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Reserved reports whether the host keeps the client id for itself ([Config.Reserved]): it can be looked at, and nobody but
// the host changes or deletes it, or takes its id.
func (c *Clients) Reserved(id string) bool { return slices.Contains(c.reserved, id) }

func (c *Clients) writable(id string) error {
	if c.Reserved(id) {
		return ErrReserved
	}
	return nil
}

// Establish makes a reserved client what the host says: it is registered where it is missing, and updated where it differs.
// With secret it gets that one; the one before is good no more. Replicas may do so at the same moment, and nothing is written
// or recorded where all is so already. An id that is not reserved is an [*InvalidError].
func (c *Clients) Establish(ctx context.Context, client *Client, secret string) error {
	if !c.Reserved(client.ID) {
		return &InvalidError{"id", "not reserved"}
	}
	want := client.WithDefaults()
	err := c.establish(ctx, want, secret)
	for range 3 { // another replica was quicker; whoever updates the same row at the same moment writes the same
		if !errors.Is(err, ErrTaken) && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotFound) {
			break
		}
		err = c.establish(ctx, want, secret)
	}
	return err
}

func (c *Clients) establish(ctx context.Context, want *Client, secret string) error {
	was, err := c.Get(ctx, want.ID)
	if errors.Is(err, ErrNotFound) {
		_, err = c.create(ctx, want, secret)
		return err
	}
	if err != nil {
		return err
	}
	same, err := sameClient(was, want)
	if err != nil {
		return err
	}
	if !same {
		want := *want
		want.Version = was.Version
		if err := c.update(ctx, &want); err != nil {
			return err
		}
	}
	if secret == "" || c.SecretIs(was, secret) {
		return nil
	}
	_, err = c.rotate(ctx, want, Rotation{Secret: secret})
	return err
}

// sameClient reports whether two clients are written alike.
func sameClient(a, b *Client) (bool, error) {
	texts := [2]string{}
	for i, client := range []*Client{a, b} {
		text, err := json.Marshal(client.WithDefaults())
		if err != nil {
			return false, fmt.Errorf("oauth: client: %w", err)
		}
		texts[i] = string(text)
	}
	return texts[0] == texts[1], nil
}
