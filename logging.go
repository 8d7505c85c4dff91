package idp

import (
	"context"
	"log/slog"

	"github.com/focushq/idp/audit"
)

// identified adds the id of the request to what is logged on its behalf, for packages that know nothing of it: the pages
// about an error show the same id.
type identified struct{ slog.Handler }

// Handle adds the id and passes r on.
func (h identified) Handle(ctx context.Context, r slog.Record) error {
	if id := audit.RequestOf(ctx).ID; id != "" {
		r.AddAttrs(slog.String("id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h identified) WithAttrs(attrs []slog.Attr) slog.Handler {
	return identified{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h identified) WithGroup(name string) slog.Handler { return identified{h.Handler.WithGroup(name)} }
