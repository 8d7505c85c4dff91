package mail

import (
	"context"
	"errors"
	"fmt"
)

// Reseal encrypts the messages that wait anew and returns how many there were: after it none needs the keys that the
// Cipher had before its newest one. It may run beside everything else, and again. A message that no key opens is left as
// it is, and is part of the error.
func (o *Outbox) Reseal(ctx context.Context) (done int, err error) {
	if o.Cipher == nil {
		return 0, nil
	}
	var broken error
	for last := ""; ; {
		var rows []row
		err := o.DB.Select(ctx, &rows, `SELECT id, body FROM outbox WHERE sealed AND id > $1 ORDER BY id LIMIT $2`, last, batch)
		if err != nil {
			return done, fmt.Errorf("mail: reseal: %w", err)
		}
		if len(rows) == 0 {
			return done, broken
		}
		for _, r := range rows {
			last = r.ID
			plain, err := o.Cipher.Decrypt(r.Body, aad(r.ID))
			if err != nil {
				broken = errors.Join(broken, fmt.Errorf("mail: message %s: %w", r.ID, err))
				continue
			}
			fresh, err := o.Cipher.Encrypt(plain, aad(r.ID))
			if err != nil {
				return done, fmt.Errorf("mail: reseal: %w", err)
			}
			// One that was sent or given up meanwhile is not brought back.
			swapped, err := o.DB.Exec(ctx, `UPDATE outbox SET body = $3 WHERE id = $1 AND body = $2 AND sealed`, r.ID, r.Body, fresh)
			if err != nil {
				return done, fmt.Errorf("mail: reseal: %w", err)
			}
			done += int(swapped)
		}
	}
}
