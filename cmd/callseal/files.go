package main

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// fileSystem is where the files named in a configuration are read from.
type fileSystem interface {
	ReadFile(name string) ([]byte, error)
	Stat(name string) (fs.FileInfo, error)
}

// dirFiles resolves relative names against the configuration file's folder.
type dirFiles string

func (d dirFiles) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(string(d), name)
}

func (d dirFiles) ReadFile(name string) ([]byte, error) { return os.ReadFile(d.path(name)) }

func (d dirFiles) Stat(name string) (fs.FileInfo, error) { return os.Stat(d.path(name)) }

// readFiles remembers what was read, to notice when it changes.
type readFiles struct {
	dirFiles
	files []readFile // in the order in which they were read first
}

// readFile is a file as it was; the sum of one that could not be read is zero.
type readFile struct {
	path string
	sum  [sha256.Size]byte
}

func (r *readFiles) ReadFile(name string) ([]byte, error) {
	data, err := r.dirFiles.ReadFile(name)
	one := readFile{path: r.path(name)}
	if err == nil {
		one.sum = sha256.Sum256(data)
	}
	if !slices.ContainsFunc(r.files, func(f readFile) bool { return f.path == one.path }) {
		r.files = append(r.files, one)
	}
	return data, err
}

// paths are those of all files.
func (r *readFiles) paths() []string {
	var out []string
	for _, f := range r.files {
		out = append(out, f.path)
	}
	return out
}

// sum is that of the file at path, zero where it was not read.
func (r *readFiles) sum(path string) [sha256.Size]byte {
	for _, f := range r.files {
		if f.path == path {
			return f.sum
		}
	}
	return [sha256.Size]byte{}
}

// changed tells whether any of the files holds something else now.
func (r *readFiles) changed() bool {
	return slices.ContainsFunc(r.files, func(f readFile) bool {
		var sum [sha256.Size]byte
		if data, err := os.ReadFile(f.path); err == nil {
			sum = sha256.Sum256(data)
		}
		return sum != f.sum
	})
}
