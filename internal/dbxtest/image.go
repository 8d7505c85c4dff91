package dbxtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Image is a folder of files whose making takes longer than a test: it is made once per process, and copied. It is safe for
// concurrent use.
type Image struct {
	Make func(folder string) error // closes what it opens

	once  sync.Once
	files map[string][]byte
	err   error
}

// Copy writes the files into folder. What is there already stays as it is.
func (i *Image) Copy(folder string) error {
	i.once.Do(func() { i.files, i.err = i.make() })
	if i.err != nil {
		return i.err
	}
	for name, content := range i.files {
		file, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = file.Write(content)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (i *Image) make() (map[string][]byte, error) {
	folder, err := os.MkdirTemp("", "idp-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if err := i.Make(folder); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(entries))
	for _, entry := range entries {
		if files[entry.Name()], err = os.ReadFile(filepath.Join(folder, entry.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
}
