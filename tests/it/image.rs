//! How `make image` packs: the same program and CA file make the same image. That the same sources make the same program is what
//! `make image CHECK=1` shows, which builds twice and is a job of continuous integration.

use std::path::Path;
use std::process::Command;

#[test]
fn sup_02_the_image_depends_on_nothing_but_its_content() {
    let work = std::env::temp_dir().join(format!("sealgate-image-{}", std::process::id()));
    std::fs::create_dir_all(&work).unwrap();
    let (program, ca) = (work.join("program"), work.join("ca.pem"));
    std::fs::write(&ca, "a certificate").unwrap();

    std::fs::write(&program, "a program").unwrap();
    let first = image(&work, &program, &ca, "umask 022");
    // Written again: another time, other permissions, another umask.
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "a program").unwrap();
    std::fs::File::options()
        .write(true)
        .open(&program)
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(image(&work, &program, &ca, "umask 077"), first);

    std::fs::write(&program, "another program").unwrap();
    assert_ne!(image(&work, &program, &ca, "umask 022"), first);
    std::fs::remove_dir_all(&work).unwrap();
}

/// The digest of the image.
fn image(work: &Path, program: &Path, ca: &Path, shell: &str) -> String {
    let output = Command::new("bash")
        .args(["-c", &format!("{shell}; scripts/image.sh")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("SOURCE_DATE_EPOCH")
        .env("SEALGATE_BINARY", program)
        .env("SEALGATE_CA", ca)
        .env("OUT", work.join("image"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let digest = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert!(work.join("image/blobs/sha256").join(digest.trim_start_matches("sha256:")).exists(), "{digest}");
    digest
}
