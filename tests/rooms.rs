//! Imports go one way: each room of `src/` uses only what the table below lets it use. Read from the code
//! itself, paths in expressions and types included; a name that a room hands on (`crate::Media`) counts as of
//! the room that defines it.

use proc_macro2::{TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use syn::{
    Attribute, Item, ItemMod, ItemUse, UseTree, Visibility,
    visit::{self, Visit},
};

/// Rooms from the ground up, and which of those above it in this list each may import. A folder's name stands
/// for all that lies in it, but for what has a row of its own.
const ROOMS: &[(&str, &str)] = &[
    ("error", ""),
    ("time", "error"),
    ("words", "time"),
    ("job", "error time"),
    ("av", "error job time"),
    ("mp4", "error job time"),
    ("bitstream", "error"),
    // They meet in traits: av says what it reads from and writes to, io has it.
    ("io", "av error job"),
    ("inspect", "error io job mp4 time"),
    ("media", "av bitstream error io job mp4 time"),
    ("read", "av bitstream error job media time"),
    ("verify", "av bitstream error inspect job media read time"),
    ("output", "av error io job media mp4 time"),
    ("edit", "av bitstream error io job media mp4 output read time"),
    ("hardware", "av error job words"),
    ("transcode/settings", "av error hardware io job media time words"),
    ("transcode/filters", "av time transcode/settings"),
    ("transcode/encoders", "av error job media output transcode/settings"),
    (
        "transcode/flow",
        "av bitstream error job media output read time \
         transcode/settings transcode/filters transcode/encoders",
    ),
    (
        "transcode/plan",
        "av error hardware job media output time \
         transcode/settings transcode/filters transcode/encoders transcode/flow",
    ),
    (
        "transcode/operations",
        "av edit error hardware io job media output read time \
         transcode/settings transcode/filters transcode/encoders transcode/flow transcode/plan",
    ),
    ("transcode", "transcode/settings transcode/flow transcode/operations"),
    ("detect", "av error job media time transcode/settings transcode/flow"),
    ("smart", "av bitstream edit error io job media output read time transcode/operations verify"),
];

/// Files that see all rooms: the crate's face, and what only tests and fuzzers call.
const OUTSIDE: &[&str] = &["lib.rs", "fuzz.rs", "synth", "bin"];

/// A module, by the names on the way to it.
type Place = Vec<String>;

#[derive(Default)]
struct Module {
    file: String,
    /// What it calls by a name of its own, and where that is: `use` items, re-exports among them.
    names: BTreeMap<String, Place>,
    /// Modules all of whose names it has.
    globs: Vec<Place>,
    /// The paths that stand in it, with their lines.
    paths: Vec<(usize, Place)>,
}

#[derive(Default)]
struct House(BTreeMap<Place, Module>);

impl House {
    fn read() -> Self {
        let mut house = Self::default();
        house.read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Vec::new());
        house
    }

    fn read_folder(&mut self, folder: &Path, place: &Place) {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let mut inside = place.clone();
            // Unit tests are no part of their room: they make what they need with all that there is.
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                if !(place.is_empty() && name == "bin") {
                    inside.push(name);
                    self.read_folder(&path, &inside);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                if name != "mod" && name != "lib" {
                    inside.push(name);
                }
                let text = fs::read_to_string(&path).expect("a source file");
                let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
                let name = path.strip_prefix(source).expect("in src").to_string_lossy().into_owned();
                self.0.entry(inside.clone()).or_default().file.clone_from(&name);
                Reader { house: self, place: inside, file: name }.visit_file(&file);
            }
        }
    }

    /// Where what a path names is defined: the module, as far as modules and names that are handed on tell.
    fn find(&self, path: &[String], depth: usize) -> Option<Place> {
        assert!(depth < 32, "names that hand each other on: {path:?}");
        let mut place = Place::new();
        for (i, name) in path.iter().enumerate() {
            let mut child = place.clone();
            child.push(name.clone());
            if self.0.contains_key(&child) {
                place = child;
                continue;
            }
            let module = self.0.get(&place)?;
            if let Some(target) = module.names.get(name) {
                let mut target = target.clone();
                target.extend_from_slice(&path[i + 1..]);
                return self.find(&target, depth + 1);
            }
            // Defined here, or in one of the modules all of whose names are handed on.
            let handed_on = module.globs.iter().find_map(|glob| {
                let there = self.0.get(glob)?;
                there.names.get(name).cloned()
            });
            return Some(handed_on.map_or(place, |target| target[..target.len() - 1].to_vec()));
        }
        Some(place)
    }
}

/// Reads the names and paths of one file.
struct Reader<'a> {
    house: &'a mut House,
    place: Place,
    file: String,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        self.house.0.entry(self.place.clone()).or_default()
    }

    /// A path from the crate's root. What begins with none of the language's words is of this module, as far
    /// as anybody knows here: names of other crates are found nowhere, and count as of this room.
    fn absolute(&self, path: &[String]) -> Place {
        let mut place = self.place.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => (place, rest) = (Place::new(), &path[1..]),
            Some("self") => rest = &path[1..],
            _ => {
                while rest.first().is_some_and(|name| name == "super") {
                    place.pop();
                    rest = &rest[1..];
                }
            }
        }
        place.extend_from_slice(rest);
        place
    }

    fn note(&mut self, line: usize, path: &[String]) {
        let place = self.absolute(path);
        self.module().paths.push((line, place));
    }

    fn note_use(&mut self, line: usize, tree: &UseTree, before: &Place) {
        let mut path = before.clone();
        match tree {
            UseTree::Path(next) => {
                path.push(next.ident.to_string());
                self.note_use(line, &next.tree, &path);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_use(line, tree, before)),
            UseTree::Glob(_) => {
                self.note(line, &path);
                let place = self.absolute(&path);
                self.module().globs.push(place);
            }
            UseTree::Name(name) => self.note_name(line, path, &name.ident, &name.ident),
            UseTree::Rename(name) => self.note_name(line, path, &name.ident, &name.rename),
        }
    }

    fn note_name(&mut self, line: usize, mut path: Place, name: &syn::Ident, called: &syn::Ident) {
        if name != "self" {
            path.push(name.to_string());
        }
        let called = if called == "self" { path.last().cloned() } else { Some(called.to_string()) };
        self.note(line, &path);
        let place = self.absolute(&path);
        if let Some(called) = called.filter(|called| called != "_") {
            self.module().names.insert(called, place);
        }
    }

    /// Macros are not parsed: what begins with `crate` in them is looked for word by word.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Place = Vec::new();
        let mut line = 0;
        let mut joined = false;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => joined = true,
                TokenTree::Ident(word) if joined && !path.is_empty() => {
                    path.push(word.to_string());
                    joined = false;
                }
                token => {
                    self.note(line, &std::mem::take(&mut path));
                    joined = false;
                    match token {
                        TokenTree::Ident(word) if word == "crate" || word == "super" => {
                            line = word.span().start().line;
                            path.push(word.to_string());
                        }
                        TokenTree::Group(group) => self.note_tokens(group.stream()),
                        _ => {}
                    }
                }
            }
        }
        self.note(line, &path);
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

impl Visit<'_> for Reader<'_> {
    fn visit_item(&mut self, item: &Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &ItemMod) {
        if item.content.is_some() {
            self.place.push(item.ident.to_string());
            let file = self.file.clone();
            self.module().file = file;
            visit::visit_item_mod(self, item);
            self.place.pop();
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let line = item.use_token.span.start().line;
        self.note_use(line, &item.tree, &Vec::new());
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let words: Place = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.note(first.ident.span().start().line, &words);
        }
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &Visibility) {
        // `pub(in crate::transcode)` imports nothing.
    }

    fn visit_attribute(&mut self, _: &Attribute) {}

    fn visit_macro(&mut self, item: &syn::Macro) {
        self.note_tokens(item.tokens.clone());
    }
}

/// The row that a module is of.
fn room(place: &[String]) -> Option<&'static str> {
    let path = place.join("/");
    let holds =
        |room: &&str| path == **room || path.strip_prefix(*room).is_some_and(|rest| rest.starts_with('/'));
    ROOMS.iter().map(|(room, _)| *room).filter(holds).max_by_key(|room| room.len())
}

#[test]
fn the_table_has_no_circles() {
    for (i, (room, may)) in ROOMS.iter().enumerate() {
        for import in may.split_whitespace() {
            let above = ROOMS[..i].iter().any(|(room, _)| *room == import);
            assert!(above, "{room} may import {import}, which does not stand above it");
        }
    }
}

/// An import from one module to another, as far as both are in rooms.
struct Import {
    from: Place,
    to: Place,
    /// File, line and path, for people.
    says: String,
}

fn imports() -> Vec<Import> {
    let house = House::read();
    let mut found = Vec::new();
    for (from, module) in &house.0 {
        let file = &module.file;
        if OUTSIDE.iter().any(|outside| Path::new(file).starts_with(outside)) {
            continue;
        }
        assert!(room(from).is_some(), "src/{file} is in no room of the table");
        for (line, path) in &module.paths {
            let to = house.find(path, 0).filter(|to| to != from && room(to).is_some());
            let says = || format!("src/{file}:{line}: crate::{}", path.join("::"));
            found.extend(to.map(|to| Import { from: from.clone(), to, says: says() }));
        }
    }
    found
}

#[test]
fn imports_go_one_way() {
    let imports = imports();
    let mut broken = BTreeSet::new();
    for Import { from, to, says } in &imports {
        let (Some(from), Some(to)) = (room(from), room(to)) else { continue };
        let may = ROOMS.iter().find(|(room, _)| *room == from).map_or("", |(_, may)| may);
        if from != to && !may.split_whitespace().any(|import| import == to) {
            broken.insert(format!("{says}: {from} imports {to}"));
        }
    }
    let lines: Vec<_> = broken.into_iter().collect();
    assert!(lines.is_empty(), "what the table does not have:\n{}", lines.join("\n"));
    assert!(imports.len() > 1000, "only {} imports were found: the reading is broken", imports.len());
}

/// A file of a room, or a folder in it, which is one thing to those beside it. None for the room's own face.
fn part(place: &Place) -> Option<Place> {
    let depth = room(place)?.split('/').count() + 1;
    place.get(..depth).map(<[String]>::to_vec)
}

#[test]
fn files_of_a_room_import_each_other_one_way() {
    let mut arrows: BTreeMap<Place, BTreeMap<Place, String>> = BTreeMap::new();
    for Import { from, to, says } in imports() {
        if let (Some(from), Some(to)) = (part(&from), part(&to))
            && from != to
            && room(&from) == room(&to)
        {
            arrows.entry(from).or_default().entry(to).or_insert(says);
        }
    }
    // What imports nothing that is left, goes: circles stay, and what leads to them.
    loop {
        let left: BTreeSet<Place> = arrows.keys().cloned().collect();
        arrows.values_mut().for_each(|to| to.retain(|to, _| left.contains(to)));
        arrows.retain(|_, to| !to.is_empty());
        if arrows.len() == left.len() {
            break;
        }
    }
    let lines: Vec<String> = arrows.into_values().flat_map(BTreeMap::into_values).collect();
    assert!(lines.is_empty(), "these import each other in circles, or what does:\n{}", lines.join("\n"));
}
