//! What the crate shows to the outside is written down in `public_api.txt`, beside this file, as Rust without
//! bodies. Who changes it sees so, and so does who reads the change: a name that goes, or that comes unmeant,
//! is a difference there.
//!
//! It is read from the code itself, so that every compiler finds the same. Traits that types have by
//! themselves (`Send`) are not in it; those that matter are asked for at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use syn::{
    Attribute, Block, Fields, File, ImplItem, Item, ItemImpl, Signature, Token, TraitItem, Type, UseTree,
    Visibility,
    parse::{Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
};

const WRITTEN: &str = "tests/public_api.txt";
const REWRITE: &str = "AVROPE_WRITE_PUBLIC_API";

/// A module, by the names on the way to it.
type Place = Vec<String>;

#[derive(Default)]
struct Module {
    items: Vec<Item>,
    /// What it calls by a name of its own, and the path that stands for it there.
    names: BTreeMap<String, Vec<String>>,
    /// Which of those names are for everybody.
    handed_on: BTreeSet<String>,
}

struct House(BTreeMap<Place, Module>);

impl House {
    fn read() -> Self {
        let mut house = Self(BTreeMap::new());
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        house.add(Vec::new(), parsed(&source.join("lib.rs")).items, &source);
        house
    }

    /// A module's items; `folder` is where the files of its own modules lie.
    fn add(&mut self, place: Place, items: Vec<Item>, folder: &Path) {
        let mut module = Module::default();
        for item in items {
            match item {
                Item::Mod(inner) if is_shown(&inner.attrs) => {
                    let name = inner.ident.to_string();
                    let place = [&place[..], std::slice::from_ref(&name)].concat();
                    let folder = folder.join(&name);
                    let items = match inner.content.clone() {
                        Some((_, items)) => items,
                        None => {
                            let file = Some(folder.with_extension("rs")).filter(|file| file.is_file());
                            parsed(&file.unwrap_or_else(|| folder.join("mod.rs"))).items
                        }
                    };
                    self.add(place, items, &folder);
                    module.items.push(Item::Mod(syn::ItemMod { content: None, ..inner }));
                }
                Item::Use(item) => {
                    let public = is_public(&item.vis);
                    names_of(&item.tree, &mut Vec::new(), &mut |name, path| {
                        if public {
                            module.handed_on.insert(name.clone());
                        }
                        module.names.insert(name, path);
                    });
                }
                item => module.items.push(item),
            }
        }
        self.0.insert(place, module);
    }

    /// Where what a path means is defined, and its name there; None for what other crates have.
    fn find(&self, from: &Place, path: &[String]) -> Option<(Place, String)> {
        let (mut place, mut rest) = (from.clone(), path);
        loop {
            match rest.first()?.as_str() {
                "crate" => place.clear(),
                "super" => drop(place.pop()),
                "self" => {}
                _ => break,
            }
            rest = &rest[1..];
        }
        let (name, after) = rest.split_first()?;
        let module = self.0.get(&place)?;
        if after.is_empty() && module.items.iter().any(|item| is_called(item, name)) {
            return Some((place, name.clone()));
        }
        let child = [&place[..], std::slice::from_ref(name)].concat();
        if !after.is_empty() && self.0.contains_key(&child) {
            return self.find(&child, after);
        }
        let stands_for =
            module.names.get(name).filter(|path| path.first() != Some(name) || path.len() > 1)?;
        self.find(&place, &[stands_for, after].concat())
    }

    /// Public items by the module that shows them, each with where it is defined.
    fn shown(&self) -> BTreeMap<Place, Vec<(Place, String)>> {
        let (mut shown, mut left) = (BTreeMap::new(), vec![Place::new()]);
        while let Some(place) = left.pop() {
            let module = &self.0[&place];
            let mut items = Vec::new();
            for item in module.items.iter().filter(|item| visibility(item).is_some_and(is_public)) {
                let name = name_of(item).expect("what is public has a name");
                match item {
                    Item::Mod(_) => left.push([&place[..], &[name]].concat()),
                    _ => items.push((place.clone(), name)),
                }
            }
            for name in &module.handed_on {
                let found = self.find(&place, &module.names[name]);
                items.push(found.unwrap_or_else(|| panic!("{place:?} hands on {name}, which is nowhere")));
            }
            shown.insert(place, items);
        }
        shown
    }
}

fn parsed(path: &Path) -> File {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Neither hidden from the documentation nor only there for tests and fuzzers.
fn is_shown(attributes: &[Attribute]) -> bool {
    attributes.iter().all(|attribute| {
        let Ok(list) = attribute.meta.require_list() else { return true };
        let text = list.tokens.to_string();
        !((list.path.is_ident("doc") && text == "hidden")
            || (list.path.is_ident("cfg") && ["test", "fuzzing"].contains(&&*text)))
    })
}

fn names_of(tree: &UseTree, before: &mut Vec<String>, found: &mut dyn FnMut(String, Vec<String>)) {
    let path = |name: &syn::Ident| [&before[..], &[name.to_string()]].concat();
    match tree {
        UseTree::Path(inner) => {
            before.push(inner.ident.to_string());
            names_of(&inner.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            found(before.last().expect("self of something").clone(), before.clone());
        }
        UseTree::Name(name) => found(name.ident.to_string(), path(&name.ident)),
        UseTree::Rename(name) => found(name.rename.to_string(), path(&name.ident)),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names_of(tree, before, found)),
        UseTree::Glob(_) => {}
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Mod(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        _ => return None,
    })
}

/// A module may have the name of what is in it.
fn is_called(item: &Item, name: &str) -> bool {
    !matches!(item, Item::Mod(_)) && name_of(item).is_some_and(|own| own == name)
}

fn visibility(item: &Item) -> Option<&Visibility> {
    let (visibility, attributes) = match item {
        Item::Const(item) => (&item.vis, &item.attrs),
        Item::Enum(item) => (&item.vis, &item.attrs),
        Item::Fn(item) => (&item.vis, &item.attrs),
        Item::Mod(item) => (&item.vis, &item.attrs),
        Item::Struct(item) => (&item.vis, &item.attrs),
        Item::Trait(item) => (&item.vis, &item.attrs),
        Item::Type(item) => (&item.vis, &item.attrs),
        _ => return None,
    };
    is_shown(attributes).then_some(visibility)
}

/// What of an item's attributes callers meet.
fn trim(attributes: &mut Vec<Attribute>) {
    let kept = ["derive", "non_exhaustive", "repr", "cfg"];
    attributes.retain(|attribute| kept.iter().any(|name| attribute.path().is_ident(name)));
}

fn no_body() -> Block {
    parse_quote!({})
}

/// Names of arguments are nobody's business.
fn bare(signature: &mut Signature) {
    for argument in &mut signature.inputs {
        match argument {
            syn::FnArg::Typed(argument) => *argument.pat = parse_quote!(_),
            syn::FnArg::Receiver(receiver) if receiver.reference.is_none() => receiver.mutability = None,
            syn::FnArg::Receiver(_) => {}
        }
    }
}

/// A field that is not public says only that it is there.
fn bare_fields(fields: &mut Fields) {
    match fields {
        Fields::Named(named) => {
            let all = named.named.len();
            named.named = named
                .named
                .iter()
                .filter(|field| is_public(&field.vis))
                .cloned()
                .collect::<Punctuated<_, _>>();
            if named.named.len() < all {
                let hidden: syn::FieldsNamed = parse_quote!({ hidden: _ });
                named.named.extend(hidden.named);
            }
            named.named.iter_mut().for_each(|field| trim(&mut field.attrs));
        }
        Fields::Unnamed(unnamed) => {
            unnamed.unnamed.iter_mut().for_each(|field| trim(&mut field.attrs));
            unnamed.unnamed.iter_mut().filter(|field| !is_public(&field.vis)).for_each(|field| {
                field.ty = parse_quote!(_);
            });
        }
        Fields::Unit => {}
    }
}

fn bare_variants(item: &mut syn::ItemEnum) {
    for variant in &mut item.variants {
        trim(&mut variant.attrs);
        variant.fields.iter_mut().for_each(|field| trim(&mut field.attrs));
    }
}

/// An item without bodies, comments and what is private.
fn without_bodies(item: &Item) -> Item {
    let mut item = item.clone();
    match &mut item {
        Item::Const(item) => {
            trim(&mut item.attrs);
            item.expr = parse_quote!(_);
        }
        Item::Enum(item) => {
            trim(&mut item.attrs);
            bare_variants(item);
        }
        Item::Fn(item) => {
            trim(&mut item.attrs);
            bare(&mut item.sig);
            *item.block = no_body();
        }
        Item::Struct(item) => {
            trim(&mut item.attrs);
            bare_fields(&mut item.fields);
        }
        Item::Trait(item) => {
            trim(&mut item.attrs);
            for item in &mut item.items {
                if let TraitItem::Fn(item) = item {
                    trim(&mut item.attrs);
                    bare(&mut item.sig);
                    item.default = item.default.as_ref().map(|_| no_body());
                }
            }
        }
        Item::Type(item) => trim(&mut item.attrs),
        _ => {}
    }
    item
}

/// `name: type => value;`, as `setters!` takes it.
struct Setters(Vec<(syn::Ident, Type)>);

impl Parse for Setters {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let mut all = Vec::new();
        while !input.is_empty() {
            Attribute::parse_outer(input)?;
            let name = input.parse()?;
            input.parse::<Token![:]>()?;
            let of = input.parse()?;
            input.parse::<Token![=>]>()?;
            input.parse::<syn::Expr>()?;
            input.parse::<Token![;]>()?;
            all.push((name, of));
        }
        Ok(Self(all))
    }
}

/// What of an `impl` is public, sorted; of one of a trait only that it is there.
fn of_impl(item: &ItemImpl) -> Option<ItemImpl> {
    let mut new = ItemImpl { items: Vec::new(), ..item.clone() };
    trim(&mut new.attrs);
    if item.trait_.is_some() {
        return Some(new);
    }
    for item in &item.items {
        match item {
            ImplItem::Const(item) if is_public(&item.vis) && is_shown(&item.attrs) => {
                let mut item = item.clone();
                trim(&mut item.attrs);
                item.expr = parse_quote!(_);
                new.items.push(item.into());
            }
            ImplItem::Fn(item) if is_public(&item.vis) && is_shown(&item.attrs) => {
                let mut item = item.clone();
                trim(&mut item.attrs);
                bare(&mut item.sig);
                item.block = no_body();
                new.items.push(item.into());
            }
            ImplItem::Macro(item) => {
                assert!(item.mac.path.is_ident("setters"), "what else makes functions is to be read here");
                let setters: Setters = item.mac.parse_body().expect("setters");
                for (name, of) in setters.0 {
                    new.items.push(parse_quote!(pub fn #name(self, _: #of) -> Self {}));
                }
            }
            _ => {}
        }
    }
    new.items.sort_by_key(|item| match item {
        ImplItem::Const(item) => (0, item.ident.to_string()),
        ImplItem::Fn(item) => (1, item.sig.ident.to_string()),
        _ => (2, String::new()),
    });
    (!new.items.is_empty()).then_some(new)
}

fn text_of(items: Vec<Item>) -> String {
    prettyplease::unparse(&File { shebang: None, attrs: Vec::new(), items })
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// All that is public, module by module, in the order of names.
fn listing(house: &House) -> String {
    let shown = house.shown();
    let public: BTreeSet<_> = shown.values().flatten().cloned().collect();
    let times = shown.values().flatten().count();
    assert_eq!(public.len(), times, "something is shown in two places");
    let mut impls: BTreeMap<(Place, String), Vec<String>> = BTreeMap::new();
    for (place, module) in &house.0 {
        for item in &module.items {
            let Item::Impl(item) = item else { continue };
            let Type::Path(of) = &*item.self_ty else { continue };
            let Some(of) = house.find(place, &segments(&of.path)).filter(|of| public.contains(of)) else {
                continue;
            };
            // A trait of ours that nobody sees.
            let private =
                |path: &syn::Path| house.find(place, &segments(path)).is_some_and(|of| !public.contains(&of));
            if item.trait_.as_ref().is_some_and(|(_, path, _)| private(path)) || !is_shown(&item.attrs) {
                continue;
            }
            if let Some(item) = of_impl(item) {
                impls.entry(of).or_default().push(text_of(vec![item.into()]));
            }
        }
    }
    let mut text = String::new();
    for (place, mut items) in shown {
        let path = [&["avrope".to_owned()], &place[..]].concat().join("::");
        text += &format!("// {path}\n\n");
        items.sort_by(|a, b| a.1.cmp(&b.1));
        for of in items {
            let defined = house.0[&of.0].items.iter().find(|item| is_called(item, &of.1));
            text += &text_of(vec![without_bodies(defined.expect("it was found there"))]);
            let mut impls = impls.remove(&of).unwrap_or_default();
            impls.sort();
            text.extend(impls);
            text += "\n";
        }
    }
    text
}

#[test]
fn the_public_face_is_the_one_that_is_written_down() {
    let now = listing(&House::read());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(WRITTEN);
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&path, &now).expect("writing what is public");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (written.lines().collect(), now.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}\n"));
    let come = new.difference(&old).map(|line| format!("+ {line}\n"));
    assert!(
        written == now,
        "the public face is another than {WRITTEN} says:\n{}\nIf that is meant: {REWRITE}=1 cargo test --test \
         public_api; then look at the difference, and say in CHANGELOG.md what callers have to change.",
        gone.chain(come).collect::<String>()
    );
}

/// What a caller may hand to another thread, and share with it.
#[test]
fn what_callers_hold_goes_to_other_threads() {
    fn sends<T: Send + 'static>() {}
    fn shares<T: Send + Sync + 'static>() {}
    shares::<avrope::Source>();
    shares::<avrope::Rope>();
    shares::<avrope::Media>();
    shares::<avrope::Control>();
    shares::<avrope::Error>();
    shares::<avrope::Report>();
    shares::<avrope::Transcode>();
    shares::<avrope::hardware::Hardware>();
    sends::<avrope::Job>();
    sends::<avrope::Sink>();
    sends::<avrope::io::RopeReader>();
    sends::<avrope::io::Chunks>();
    sends::<avrope::frames::Frame>();
    sends::<avrope::transcode::Transcoder>();
}
