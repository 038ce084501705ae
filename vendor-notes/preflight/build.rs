//! Checks for libav's development files, pkg-config and libclang. Whatever is uncertain (a cross build, an
//! unknown system) passes: then the bindings' own build script has the last word.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// libav as of FFmpeg 5.1.
const LIBRARIES: [&str; 6] = [
    "libavcodec >= 59.37",
    "libavfilter >= 8.44",
    "libavformat >= 59.27",
    "libavutil >= 57.28",
    "libswresample >= 4.7",
    "libswscale >= 6.7",
];

/// The variables that decide what the bindings' build scripts find: a change of one is a new check.
const VARIABLES: [&str; 7] = [
    "FFMPEG_DIR",
    "LIBCLANG_PATH",
    "LLVM_CONFIG_PATH",
    "PKG_CONFIG",
    "PKG_CONFIG_LIBDIR",
    "PKG_CONFIG_PATH",
    "PKG_CONFIG_SYSROOT_DIR",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for variable in VARIABLES {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if env::var_os("DOCS_RS").is_some() || cfg!(windows) {
        return;
    }
    let missing: Vec<String> = [libav(), libclang()].into_iter().flatten().collect();
    if missing.is_empty() {
        return;
    }
    // Cargo prints these as its own errors and fails the build.
    for what in missing {
        println!("cargo::error={what}");
    }
    println!("cargo::error=to mend it, run in avrope's folder:  sh vendor-notes/setup.sh");
}

/// What is missing of libav, if anything.
fn libav() -> Option<String> {
    if let Some(dir) = set("FFMPEG_DIR") {
        // Debian keeps headers one folder deeper: include/x86_64-linux-gnu.
        let include = Path::new(&dir).join("include");
        let mut places = below(&include);
        places.push(include);
        let found = places.iter().any(|place| place.join("libavformat/avformat.h").exists());
        let dir = dir.display();
        return (!found)
            .then(|| format!("FFMPEG_DIR is {dir}, but there is no include/libavformat/avformat.h"));
    }
    if cross_build() {
        return None;
    }
    let named = set("PKG_CONFIG");
    let programs =
        named.as_ref().map_or_else(|| vec!["pkg-config".into(), "pkgconf".into()], |p| vec![p.clone()]);
    let program = programs.into_iter().find(|p| {
        let version = Command::new(p).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        !matches!(version, Err(e) if e.kind() == ErrorKind::NotFound)
    });
    let Some(program) = program else {
        return Some(match named {
            Some(p) => format!("PKG_CONFIG is set, but there is no program {}", p.display()),
            None => "pkg-config is missing; FFmpeg's libraries are found with it".into(),
        });
    };
    let exists = |wanted: &str| {
        let status = Command::new(&program)
            .args(["--exists", wanted])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // pkg-config says 1 for "no"; anything else is a trouble of its own.
        !matches!(status.map(|s| s.code()), Ok(Some(1)))
    };
    let lacking: Vec<&str> = LIBRARIES.into_iter().filter(|wanted| !exists(wanted)).collect();
    if lacking.is_empty() {
        return None;
    }
    Some(format!(
        "FFmpeg's development files (5.1 or newer) are missing; pkg-config does not find {}",
        lacking.join(", ")
    ))
}

/// pkg-config set up for another machine than this one: which files it means can't be told from here.
fn cross_build() -> bool {
    env::vars_os().any(|(name, _)| {
        let name = name.to_string_lossy();
        let for_a_target = name.contains("PKG_CONFIG") && name.chars().any(|c| c.is_ascii_lowercase());
        for_a_target
            || name.starts_with("TARGET_PKG_CONFIG")
            || name.starts_with("PKG_CONFIG_ALLOW_CROSS")
            || name.starts_with("PKG_CONFIG_SYSROOT_DIR")
    })
}

/// What is missing of libclang, if anything: bindgen loads it when the bindings are built.
fn libclang() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    if let Some(path) = set("LIBCLANG_PATH") {
        // Nothing else is looked at once it is set.
        let path = PathBuf::from(path);
        let found = if path.is_dir() { holds_libclang(&path) } else { path.exists() };
        return (!found)
            .then(|| format!("LIBCLANG_PATH is set, but there is no libclang at {}", path.display()));
    }
    let found = search_paths().any(|dir| holds_libclang(&dir))
        || system_folders().iter().any(|dir| holds_libclang(dir))
        || llvm_folders().iter().any(|dir| holds_libclang(dir))
        || loader_knows_libclang();
    (!found).then(|| "libclang is missing; bindgen reads FFmpeg's headers with it".into())
}

fn search_paths() -> impl Iterator<Item = PathBuf> {
    ["LD_LIBRARY_PATH", "LIBRARY_PATH"]
        .into_iter()
        .filter_map(set)
        .flat_map(|paths| env::split_paths(&paths).collect::<Vec<_>>())
}

/// `/usr/lib*` and `/usr/local/l*`, and what lies up to two folders below; that holds `/usr/lib/llvm-*/lib`.
fn system_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for root in ["/usr", "/usr/local"] {
        folders.extend(below(Path::new(root)).into_iter().filter(|dir| {
            dir.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                name.starts_with("lib") || name.starts_with("llvm")
            })
        }));
    }
    let first: Vec<PathBuf> = folders.iter().flat_map(|dir| below(dir)).collect();
    let second: Vec<PathBuf> = first.iter().flat_map(|dir| below(dir)).collect();
    folders.extend(first);
    folders.extend(second);
    folders
}

fn llvm_folders() -> Vec<PathBuf> {
    let program = set("LLVM_CONFIG_PATH").unwrap_or_else(|| "llvm-config".into());
    ["--libdir", "--bindir"]
        .into_iter()
        .filter_map(|what| Some(output(&program, what)?.trim().into()))
        .collect()
}

fn loader_knows_libclang() -> bool {
    ["ldconfig", "/sbin/ldconfig", "/usr/sbin/ldconfig"]
        .into_iter()
        .filter_map(|program| output(program.as_ref(), "-p"))
        .any(|list| list.split_whitespace().any(is_libclang))
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn holds_libclang(dir: &Path) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| is_libclang(&entry.file_name().to_string_lossy()))
}

/// `libclang.so`, `libclang.so.1`, `libclang-14.so.1`; the C++ library `libclang-cpp.so` is another one.
fn is_libclang(name: &str) -> bool {
    (name.starts_with("libclang.so") || name.starts_with("libclang-"))
        && name.contains(".so")
        && !name.starts_with("libclang-cpp")
}

fn output(program: &OsStr, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}
