//! Configuration that has no effect is told, and what would be a broken promise is refused, before anything is sent.

use crate::world::{World, text};

const PLAIN: &str =
    "import onstage as on\n\n@on.predict\ndef plain(x: int = 1) -> int:\n    return x\n";

#[tokio::test]
async fn what_has_no_effect_is_said_at_check_and_push() {
    let world = World::start().await;
    let config =
        "[model]\nname = \"plain\"\n[realtime]\non = \"lambda\"\n[feedback]\nrequired = true\n";
    let folder = world.model("plain", PLAIN, &[("onstage.toml", config)]);
    for verb in ["check", "push"] {
        let output = world.run(&[verb, folder.to_str().unwrap()]).await;
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        for key in ["[realtime] on", "[feedback] required"] {
            let warning = format!("warning: `{key}` has no effect yet: ");
            assert_eq!(said.matches(&warning).count(), 1, "{verb}: {said}");
        }
    }
    for (section, why) in [
        (
            "[access]\nwho = \"public\"",
            "asks for what this version does not do",
        ),
        ("[money]\nmonth = -20", "an amount in USD"),
    ] {
        let config = format!("[model]\nname = \"plain\"\n{section}\n");
        let folder = world.model("promises", PLAIN, &[("onstage.toml", &config)]);
        let output = world.run(&["push", folder.to_str().unwrap()]).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(
        world.run(&["push", "nosuchdir"]).await.status.code(),
        Some(2)
    );
    world.close().await;
}
