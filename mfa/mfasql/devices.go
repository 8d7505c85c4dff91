package mfasql

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/focushq/idp/mfa"
)

// AddDevice keeps a remembered device.
func (s *Store) AddDevice(ctx context.Context, d mfa.DeviceRecord) error {
	_, err := s.db.Exec(ctx, `INSERT INTO mfa_devices
		(id, subject, browser, system, secret, former, added_at, rotated_at, last_used_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		d.ID, d.Subject, d.Browser, d.System, d.Secret, packFormer(d.Former),
		unix(d.AddedAt), unix(d.RotatedAt), unix(d.LastUsedAt), unix(d.ExpiresAt))
	return err
}

const selectDevices = `SELECT id, subject, browser, system, secret, former, added_at, rotated_at,
	last_used_at, expires_at FROM mfa_devices WHERE subject = $1 ORDER BY added_at DESC, id`

// Devices returns a subject's devices, newest first.
func (s *Store) Devices(ctx context.Context, subject string) ([]mfa.DeviceRecord, error) {
	var rows []struct {
		ID, Subject, Browser, System string
		Secret, Former               []byte
		AddedAt                      int64 `db:"added_at"`
		RotatedAt                    int64 `db:"rotated_at"`
		LastUsedAt                   int64 `db:"last_used_at"`
		ExpiresAt                    int64 `db:"expires_at"`
	}
	err := s.db.Select(ctx, &rows, selectDevices, subject)
	if err != nil {
		return nil, err
	}
	var out []mfa.DeviceRecord
	for _, r := range rows {
		former, err := unpackFormer(r.Former)
		if err != nil {
			return nil, fmt.Errorf("mfasql: device %s: %w", r.ID, err)
		}
		out = append(out, mfa.DeviceRecord{
			ID: r.ID, Subject: r.Subject, Browser: r.Browser, System: r.System, Secret: r.Secret, Former: former,
			AddedAt: fromUnix(r.AddedAt), RotatedAt: fromUnix(r.RotatedAt),
			LastUsedAt: fromUnix(r.LastUsedAt), ExpiresAt: fromUnix(r.ExpiresAt),
		})
	}
	return out, nil
}

// SwapDevice replaces a device's secret if it is still the one given.
func (s *Store) SwapDevice(ctx context.Context, secret []byte, d mfa.DeviceRecord) (bool, error) {
	return s.one(ctx, `UPDATE mfa_devices SET secret = $4, former = $5, rotated_at = $6, last_used_at = $7
		WHERE id = $1 AND subject = $2 AND secret = $3`,
		d.ID, d.Subject, secret, d.Secret, packFormer(d.Former), unix(d.RotatedAt), unix(d.LastUsedAt))
}

// RemoveDevice removes a device.
func (s *Store) RemoveDevice(ctx context.Context, subject, id string) (bool, error) {
	return s.one(ctx, `DELETE FROM mfa_devices WHERE id = $1 AND subject = $2`, id, subject)
}

// RemoveDevices removes all devices of a subject.
func (s *Store) RemoveDevices(ctx context.Context, subject string) (int, error) {
	rows, err := s.db.Exec(ctx, `DELETE FROM mfa_devices WHERE subject = $1`, subject)
	return int(rows), err
}

// formerLen is the length of a former secret in its column: SHA-256 and the Unix second of its end.
const formerLen = 32 + 8

func packFormer(former []mfa.FormerSecret) []byte {
	out := make([]byte, 0, len(former)*formerLen)
	for _, f := range former {
		out = append(out, f.Hash...)
		out = binary.BigEndian.AppendUint64(out, uint64(unix(f.Until)))
	}
	return out
}

func unpackFormer(column []byte) ([]mfa.FormerSecret, error) {
	if len(column)%formerLen != 0 {
		return nil, fmt.Errorf("%d bytes of former secrets", len(column))
	}
	var out []mfa.FormerSecret
	for each := range slices.Chunk(column, formerLen) {
		out = append(out, mfa.FormerSecret{
			Hash:  bytes.Clone(each[:32]),
			Until: fromUnix(int64(binary.BigEndian.Uint64(each[32:]))),
		})
	}
	return out, nil
}
