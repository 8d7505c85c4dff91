package mfa

import (
	"fmt"
	"strings"

	"github.com/skip2/go-qrcode"
)

// quietZone is the white border that a scanner needs, in modules (ISO/IEC 18004).
const quietZone = 4

// QR returns the picture of an enrolment's URI as an <svg> element of one module per unit, black on white whatever the
// page's colours are. Its size, and what it is called, are the page's business.
func QR(uri string) ([]byte, error) {
	code, err := qrcode.New(uri, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("mfa: QR code: %w", err)
	}
	code.DisableBorder = true
	modules := code.Bitmap()
	size := len(modules) + 2*quietZone
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, size, size)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="`, size, size)
	for y, row := range modules {
		for x := 0; x < len(row); x++ {
			if !row[x] {
				continue
			}
			run := x
			for x < len(row) && row[x] {
				x++
			}
			fmt.Fprintf(&out, "M%d %dh%dv1h-%dz", run+quietZone, y+quietZone, x-run, x-run)
		}
	}
	out.WriteString(`"/></svg>`)
	return []byte(out.String()), nil
}
