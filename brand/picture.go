package brand

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
)

// logoOf looks at a picture: what it is counts, not what it is called. It returns an [*InvalidError] for one that pages do not
// show. An SVG can hold scripts, and ask other servers for more.
func logoOf(picture []byte) (Logo, error) {
	bad := func(reason string) (Logo, error) { return Logo{}, &InvalidError{"logo", reason} }
	if len(picture) > MaxLogo {
		return bad("too_large")
	}
	kind := http.DetectContentType(picture)
	var size image.Config
	var err error
	switch kind {
	case "image/png":
		size, err = png.DecodeConfig(bytes.NewReader(picture))
	case "image/jpeg":
		size, err = jpeg.DecodeConfig(bytes.NewReader(picture))
	case "image/webp":
		size, err = sizeOfWebP(picture)
	default:
		if bytes.Contains(bytes.ToLower(picture[:min(len(picture), 4096)]), []byte("<svg")) {
			return bad("svg")
		}
		return bad("kind")
	}
	switch {
	case err != nil || size.Width < 1 || size.Height < 1:
		return bad("damaged")
	case size.Width > MaxSide || size.Height > MaxSide: // before it is decoded: little data can fill a browser's memory
		return bad("too_many_pixels")
	case !whole(picture, kind):
		return bad("damaged")
	}
	sum := sha256.Sum256(picture)
	return Logo{ID: hex.EncodeToString(sum[:8]), Kind: kind, Width: size.Width, Height: size.Height}, nil
}

// whole reports whether the picture can be decoded to its end, which for WebP nobody here can: its container is complete.
func whole(picture []byte, kind string) (ok bool) {
	var err error
	switch kind {
	case "image/png":
		_, err = png.Decode(bytes.NewReader(picture))
	case "image/jpeg":
		_, err = jpeg.Decode(bytes.NewReader(picture))
	default:
		length := uint64(binary.LittleEndian.Uint32(picture[4:])) + 8
		return length == uint64(len(picture))
	}
	return err == nil
}

// sizeOfWebP reads the size of a picture from the first chunk of its container (RFC 9649 section 2.7).
func sizeOfWebP(picture []byte) (size image.Config, err error) {
	if len(picture) < 30 {
		return size, image.ErrFormat
	}
	small := func(at int) int { return int(binary.LittleEndian.Uint16(picture[at:])) }
	large := func(at int) int { return small(at) | int(picture[at+2])<<16 }
	switch string(picture[12:16]) {
	case "VP8X":
		size.Width, size.Height = large(24)+1, large(27)+1
	case "VP8L":
		bits := int(binary.LittleEndian.Uint32(picture[21:]))
		size.Width, size.Height = bits&0x3fff+1, bits>>14&0x3fff+1
	case "VP8 ":
		size.Width, size.Height = small(26)&0x3fff, small(28)&0x3fff
	default:
		err = image.ErrFormat
	}
	return size, err
}
