package audit

import "context"

// AfterRestore lets a webhook go on at once after the trail was brought back from a backup, from where it was then: the
// receiver gets again what it took since, as far as the backup has it.
func (l *Log) AfterRestore(ctx context.Context) error {
	_, err := l.DB.Exec(ctx, "UPDATE audit_delivery SET until = 0, attempts = 0, due_at = 0")
	return wrap("after a restore", err)
}
