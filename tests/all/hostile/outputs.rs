//! Outputs that can not be: the input itself, folders and disks that take nothing.

use super::*;

#[test]
fn outputs_that_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let path = copy_to(&clip(), dir.path(), "in.mp4");
    let before = std::fs::read(&path).unwrap();
    let symlink = dir.path().join("symlink.mp4");
    std::os::unix::fs::symlink(&path, &symlink).unwrap();
    let hard = dir.path().join("hard.mp4");
    std::fs::hard_link(&path, &hard).unwrap();
    let roundabout = dir.path().join("../").join(dir.path().file_name().unwrap()).join("in.mp4");
    let media = open(&path).unwrap();
    let clip = cut(&media, &range(1.0, 3.0), &none()).unwrap();
    let second = cut(&Media::open(clip.rope.clone().into()).unwrap(), &range(0.5, 1.0), &none()).unwrap();
    for out in [&path, &symlink, &hard, &roundabout] {
        let what = out.display().to_string();
        for sink in [Sink::replace(out), Sink::file(out)] {
            refused(cut_to(&media, &range(1.0, 2.0), sink, &none()), &[InvalidArgument], &what);
        }
        refused(remux_to(&media, &Remux::new(), Sink::replace(out), &none()), &[InvalidArgument], &what);
        refused(
            join_to(&[Source::open(&path).unwrap()], &Join::new(), Sink::replace(out), &none()),
            &[InvalidArgument],
            &what,
        );
        refused(clip.rope.save(out, SaveOptions::new().overwrite(true), &none()), &[InvalidArgument], &what);
        refused(
            second.rope.save(out, SaveOptions::new().overwrite(true), &none()),
            &[InvalidArgument],
            &what,
        );
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_file(&symlink).unwrap();
    std::fs::remove_file(&hard).unwrap();

    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    refused(
        cut_to(&media, &range(1.0, 2.0), Sink::file(out.join("no/such/out.mp4")), &none()),
        &[NotFound, Io],
        "missing folder",
    );
    refused(
        cut_to(&media, &range(1.0, 2.0), Sink::replace(&out), &none()),
        &[InvalidArgument],
        "a directory",
    );
    refused(
        cut_to(&media, &range(1.0, 2.0), Sink::file(out.join("noending")), &none()),
        &[InvalidArgument],
        "no ending",
    );
    let there = in_file(&out, "there.mp4", b"precious");
    refused(cut_to(&media, &range(1.0, 2.0), Sink::file(&there), &none()), &[InvalidArgument], "exists");
    refused(clip.rope.save(&there, SaveOptions::new(), &none()), &[InvalidArgument], "exists");
    assert_eq!(std::fs::read(&there).unwrap(), b"precious");
    refused(clip.rope.save("/proc/out.mp4", SaveOptions::new(), &none()), &[Io, NotFound], "/proc");
    refused(clip.rope.save("", SaveOptions::new(), &none()), &[InvalidArgument, NotFound, Io], "no name");
    assert_eq!(entries(&out), ["there.mp4"]);
}

#[test]
fn a_folder_that_is_not_writable() {
    let dir = tempfile::tempdir().unwrap();
    let media = open(&clip()).unwrap();
    if Path::new("/sys/kernel").exists() {
        refused(
            cut_to(&media, &range(1.0, 2.0), Sink::file("/sys/kernel/out.mp4"), &none()),
            &[Io, NotFound],
            "sysfs",
        );
    }
    // SAFETY: a plain system call.
    if unsafe { libc::geteuid() } == 0 {
        // Root writes anywhere, but not to a mount that is read-only.
        let Some(mount) = Tmpfs::new(dir.path(), "size=1m,ro") else { return };
        refused(
            cut_to(&media, &range(1.0, 2.0), Sink::file(mount.0.join("out.mp4")), &none()),
            &[Io],
            "read-only mount",
        );
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    refused(
        cut_to(&media, &range(1.0, 2.0), Sink::file(dir.path().join("out.mp4")), &none()),
        &[Io],
        "mode 555",
    );
    assert!(entries(dir.path()).is_empty());
}

/// A small file system, unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn new(under: &Path, options: &str) -> Option<Self> {
        let path = under.join("mount");
        std::fs::create_dir_all(&path).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&path)
            .output()
            .is_ok_and(|out| out.status.success());
        if mounted {
            return Some(Self(path));
        }
        skipped("cannot mount a tmpfs (needs root)");
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_half_way() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mount) = Tmpfs::new(dir.path(), "size=512k") else { return };
    let source = large_clip();
    assert!(std::fs::metadata(&source).unwrap().len() > 2 << 20);
    let media = open(&source).unwrap();
    let memory = Media::open(Source::from_bytes(std::fs::read(&source).unwrap()).named("large.mp4")).unwrap();
    for (name, media) in [("file", &media), ("memory", &memory)] {
        for format in ["mp4", "mkv", "ts"] {
            let out = mount.0.join(format!("out.{format}"));
            let error = refused(remux_to(media, &Remux::new(), Sink::file(&out), &none()), &[Io], format);
            assert!(error.to_string().contains("out."), "{name}: names the output: {error}");
            assert!(error.to_string().to_lowercase().contains("space"), "{name}: says why: {error}");
            assert!(entries(&mount.0).is_empty(), "{name} {format}: leaves {:?}", entries(&mount.0));
        }
    }
}
