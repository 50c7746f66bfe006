// Command check lets golang.org/x/mod/sumdb judge an export: the note, that the heads are in the tree, and that an
// older tree is its beginning. Run by scripts/check-sealed, with the folder of the files.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func read(name string) string {
	content, err := os.ReadFile(filepath.Join(os.Args[1], name))
	if err != nil {
		log.Fatal(err)
	}
	return string(content)
}

func hash(text string) tlog.Hash {
	hash, err := tlog.ParseHash(text)
	if err != nil {
		log.Fatal(err)
	}
	return hash
}

// tree opens a note by the log's key; its size and root.
func tree(text string, key string) (int64, tlog.Hash) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		log.Fatal(err)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		log.Fatal(err)
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || lines[0] != opened.Sigs[0].Name {
		log.Fatal("the checkpoint's text is not as expected")
	}
	return size, hash(lines[2])
}

func main() {
	key := strings.TrimSpace(read("log.vkey"))
	proof, checkpoint, _ := strings.Cut(read("heads.tlog-proof"), "\n\n")
	size, root := tree(checkpoint, key)
	fmt.Println("note: signed, a tree of", size)

	lines := strings.Split(proof, "\n")
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		path = append(path, hash(line))
	}
	heads := tlog.RecordHash([]byte(read("heads.txt")))
	if err := tlog.CheckRecord(path, size, root, index, heads); err != nil {
		log.Fatal(err)
	}
	if tlog.CheckRecord(path, size, root, index, tlog.RecordHash([]byte("other"))) == nil {
		log.Fatal("another entry passes too")
	}
	fmt.Println("inclusion: heads.txt is entry", index)

	older, olderRoot := tree(read("older"), key)
	var manifest struct {
		Consistency []struct {
			Size  int64
			Proof []string
		}
	}
	if err := json.Unmarshal([]byte(read("manifest.json")), &manifest); err != nil {
		log.Fatal(err)
	}
	for _, known := range manifest.Consistency {
		if known.Size != older {
			continue
		}
		var steps tlog.TreeProof
		for _, step := range known.Proof {
			steps = append(steps, hash(step))
		}
		if err := tlog.CheckTree(steps, size, root, older, olderRoot); err != nil {
			log.Fatal(err)
		}
		fmt.Println("consistency: the tree of", older, "is the beginning of that of", size)
		return
	}
	log.Fatal("there is no proof for the older tree")
}
