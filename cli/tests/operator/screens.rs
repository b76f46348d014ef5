//! What operators see: each command, held against files, some at two widths. The manual shows those
//! of 80 columns. The answers of reading commands are also held against the JSON Schema, and the
//! calls of all of them against the documented permissions.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rerole_cli::playground::tour::TOUR;
use rerole_sim::{Alarm, Call, Fault, Role, Subscription};
use serde_json::json;
use snapbox::Data;
use snapbox::assert::Action;

use crate::harness::Stage;
use crate::permissions;
use crate::redact::redact_progress;
use crate::report;
use crate::schema;

const WIDTHS: [u16; 2] = [80, 160];
/// How long EKS takes for an update while a rotation is to be in flight. A call of rerole may take
/// 4 s.
const SLOW: Duration = Duration::from_millis(3_500);

/// How often a test looks whether a rotation is paused, which takes seconds.
const PAUSE_POLLS: u32 = 300;
const POLL: Duration = Duration::from_millis(100);

/// A stack whose updates can be slowed down.
struct Scene {
    stage: Stage,
    slow: Arc<AtomicBool>,
}

/// Whether a rotation is in flight, so how far it is differs from run to run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Fixed,
    InFlight,
}

/// Holds a text against its file. With `UPDATE_EXPECT` in the environment, it writes the file.
pub fn check(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operator/screens");
    let action = match std::env::var_os("UPDATE_EXPECT") {
        Some(_) => Action::Overwrite,
        None => Action::Verify,
    };
    let expected = Data::read_from(&path.join(format!("{file}.txt")), None).raw();
    snapbox::Assert::new()
        .action(action)
        .eq(text.to_owned(), expected);
}

impl Scene {
    /// EKS refuses the first updates of these associations.
    fn start(drifted: usize, refused: std::ops::Range<usize>) -> Self {
        let stage = Stage::start(drifted);
        let slow = Arc::new(AtomicBool::new(false));
        let is_slow = Arc::clone(&slow);
        let mut refused = stage.fleet.rotating[refused].to_vec();
        stage.aws.on_call(move |call: &Call| {
            if call.operation != "UpdatePodIdentityAssociation" {
                return Fault::None;
            }
            let refusal = refused.iter().position(|arn| arn.ends_with(&call.subject));
            if let Some(at) = refusal {
                refused.swap_remove(at);
                return Fault::Error {
                    status: 400,
                    code: "InvalidRequestException".to_owned(),
                    message: "the role cannot be assumed".to_owned(),
                };
            }
            if is_slow.load(Ordering::Relaxed) {
                Fault::Delay(SLOW)
            } else {
                Fault::None
            }
        });
        Self { stage, slow }
    }

    fn set_slow(&self, progress: Progress) {
        let is_slow = progress == Progress::InFlight;
        self.slow.store(is_slow, Ordering::Relaxed);
    }

    /// Waits until the slice of a rotation has found out that it must pause.
    fn wait_until_paused(&self, id: &str) {
        let ledger = self.stage.name("RotationLedgerTable");
        let is_paused = || {
            let items = self.stage.aws.items(ledger);
            let mut rotations = items.iter().filter(|item| item["entry"] == "rotation");
            rotations.any(|item| item["rotationId"] == id && item["status"] == "Paused")
        };
        for _ in 0..PAUSE_POLLS {
            if is_paused() {
                return;
            }
            std::thread::sleep(POLL);
        }
        panic!("{id} is not paused");
    }

    /// Runs a command that changes nothing: at both widths, and for its JSON.
    fn read(&self, name: &str, arguments: &str, (code, progress): (i32, Progress)) {
        for width in WIDTHS {
            let rerole = self.stage.rerole(arguments).columns(width);
            let (exit, screen) = self.stage.record(rerole, super::harness::Rerole::screen);
            assert_eq!(exit, code, "{screen}");
            check(&format!("{width}/{name}"), &shown(&screen, progress));
        }
        let rerole = self.stage.rerole(arguments);
        let verb = rerole.verb();
        let (_, answer) = rerole.json();
        schema::check(&verb, &answer);
    }

    /// Runs a command at 80 columns.
    fn act(&self, name: &str, arguments: &str, (code, progress): (i32, Progress)) {
        let rerole = self.stage.rerole(arguments);
        let (exit, screen) = self.stage.record(rerole, super::harness::Rerole::screen);
        assert_eq!(exit, code, "{screen}");
        check(&format!("80/{name}"), &shown(&screen, progress));
    }

    /// Runs a command for its JSON.
    fn act_json(&self, arguments: &str, code: i32) {
        let rerole = self.stage.rerole(arguments);
        let verb = rerole.verb();
        let (exit, answer) = self.stage.record(rerole, super::harness::Rerole::json);
        assert_eq!(exit, code, "{answer}");
        schema::check(&verb, &answer);
    }
}

fn shown(screen: &str, progress: Progress) -> String {
    match progress {
        Progress::Fixed => screen.to_owned(),
        Progress::InFlight => redact_progress(screen),
    }
}

const DONE: (i32, Progress) = (0, Progress::Fixed);
const FOUND: (i32, Progress) = (3, Progress::Fixed);
/// A role that is, or may be, in use.
const STILL_USED: (i32, Progress) = (4, Progress::Fixed);
/// What the new role of the playground lacks, and the old one has used.
const LOST_SQS: &str = "permissions-b95f5cd9";
/// The change cannot be confirmed.
const ASKS: (i32, Progress) = (2, Progress::Fixed);

/// The tour of the playground, as it is, and what it leaves.
fn tour(scene: &Scene) {
    for (number, step) in (1..).zip(TOUR) {
        let arguments = step.command.strip_prefix("rerole ").unwrap();
        let verb = arguments.split(' ').next().unwrap();
        let progress = match verb {
            "rotate" | "pause" => Progress::InFlight,
            _ => Progress::Fixed,
        };
        scene.set_slow(progress);
        let rerole = scene.stage.rerole(arguments);
        let (code, screen) = scene.stage.record(rerole, super::harness::Rerole::screen);
        assert!(
            step.exits.contains(&u8::try_from(code).unwrap()),
            "{screen}"
        );
        if verb == "resume" {
            // Where this line is differs from run to run, so the expected screen is without it.
            let failed = "failed: InvalidRequestException: the role cannot be assumed; EKS refused";
            assert_eq!(screen.matches(failed).count(), 1, "{screen}");
        }
        let screen = match verb {
            "rotate" | "pause" | "status" | "resume" => redact_progress(&screen),
            _ => screen,
        };
        check(&format!("80/tour-{number:02}-{verb}"), &screen);
        if verb == "who" {
            draining(scene);
        }
    }
    scene.read("list-all", "list --all", DONE);
    scene.read("list-none", "list --failed --since 1s", DONE);
    let rows = "status app-2026 --timeline --rows addon,failed";
    scene.read("status-rows", rows, (4, Progress::Fixed));
    scene.read("status-rollback", "status rollback/app-2026", DONE);
    scene.read("who-free", "who platform/app-2026", (4, Progress::Fixed));
    scene.act(
        "resume-refused",
        "resume app-2026 --yes",
        (1, Progress::Fixed),
    );
    scene.read("doctor", "doctor", FOUND);
    for (name, screen) in report::formats(&scene.stage) {
        check(&format!("80/{name}"), &screen);
    }
}

/// What pods still have, before everything is taken back.
fn draining(scene: &Scene) {
    scene.read("drain", "drain platform/app-2025", STILL_USED);
    scene.read("drain-nobody", "drain platform/nobody", STILL_USED);
    scene.act(
        "drain-wait",
        "drain platform/app-2025 --wait=1s",
        (6, Progress::Fixed),
    );
    scene.act("who-drain", "who platform/app-2025 --drain", STILL_USED);
    scene.act_json("who platform/app-2025 --drain", 4);
}

/// Looking around before anything happens.
fn looking(scene: &Scene) {
    let plan = "plan --from platform/app-2025 --to platform/app-2026 --verify --id app-2026";
    scene.act("plan-verify", plan, FOUND);
    scene.act_json(&format!("{plan}-again"), 3);
    scene.read(
        "status-dry-run",
        "status dry-run/app-2026 --rows drifted,addon",
        DONE,
    );
    let preflight = "preflight --from platform/app-2025 --to platform/app-2026";
    scene.read("preflight", preflight, FOUND);
    scene.act_json(
        &format!("{preflight} --access-analyzer --accept trust-0"),
        3,
    );
    // Whether pods can assume this one depends on what EKS alone knows of associations.
    let by_namespace = "arn:aws:iam::111122223333:role/platform/by-namespace";
    scene.stage.aws.put_role(Role {
        trust_policy: BY_NAMESPACE.to_owned(),
        ..Role::new(by_namespace)
    });
    for verb in ["preflight", "rotate --yes"] {
        let to = "--from platform/app-2025 --to platform/by-namespace";
        scene.act_json(&format!("{verb} {to}"), 3);
    }
    scene.act(
        "rotate-nothing",
        "rotate --from platform/nobody --to platform/app-2026 --yes",
        (1, Progress::Fixed),
    );
    scene.act(
        "rotate-rejected",
        "rotate --from platform/app-2025 --to elsewhere/app-2026 --id elsewhere --no-preflight --yes",
        FOUND,
    );
    scene.read("list-rejected", "list --rejected", DONE);
    scene.read("version", "version", DONE);
    scene.read(
        "who-verify",
        "who platform/app-2025 --verify",
        (4, Progress::Fixed),
    );
    scene.read("who-nobody", "who platform/nobody", STILL_USED);
    scene.act(
        "who-wait",
        "who platform/app-2025 --wait=1s",
        (6, Progress::Fixed),
    );
    scene.act(
        "who-wide",
        "who platform/app-2025 --output wide",
        STILL_USED,
    );
}

fn index(scene: &Scene) {
    let deleted = scene.stage.fleet.rotating[3].clone();
    scene.stage.aws.eks(|eks| eks.delete(&deleted));
    scene.read("index-status-new", "index status", DONE);
    scene.read("index-check", "index check", FOUND);
    scene.act("index-build", "index build", DONE);
    scene.act_json("index build", 0);
    scene.read("index-status", "index status", DONE);
    let arn = &scene.stage.fleet.rotating[5];
    let id = arn.rsplit('/').next().unwrap();
    scene.read("index-show", &format!("index show {id}"), DONE);
}

fn queues(scene: &Scene) {
    let event = json!({
        "version": "0", "id": "0f8e6c4a-7d35-4b1e-9a62-3c5d7e9f1b20", "account": "111122223333",
        "detail-type": "Role Rotation Requested", "source": "platform.iam",
        "region": "us-east-1", "time": "2026-11-23T21:00:00Z", "resources": [],
        "detail": {
            "rotationId": "app-2024",
            "oldRoleArn": "arn:aws:iam::111122223333:role/platform/nobody",
            "newRoleArn": "arn:aws:iam::111122223333:role/platform/app-2024",
        },
    });
    let failed = json!({
        "version": "1.0", "timestamp": "2026-11-23T21:03:00.000Z",
        "requestContext": {
            "requestId": "6f1d2c3b-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
            "functionArn": "arn:aws:lambda:us-east-1:111122223333:function:rotate:$LATEST",
            "condition": "RetriesExhausted", "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": { "statusCode": 200, "functionError": "Unhandled" },
        "responsePayload": {
            "errorType": "LedgerUnavailable",
            "errorMessage": "read rotation app-2024: InternalServerError",
        },
    });
    let Scene { stage, .. } = scene;
    stage
        .aws
        .send_message(stage.name("OnFailureQueue"), &failed.to_string());
    scene.read("queues-list", "queues list", DONE);
    scene.act("queues-show", "queues show on-failure", DONE);
    scene.act_json("queues show", 0);
    scene.act("queues-redrive-asks", "queues redrive on-failure", ASKS);
    scene.act("queues-redrive", "queues redrive on-failure --yes", DONE);
    let dead = stage.name("IndexerDeadLetterQueue");
    stage.aws.send_message(dead, "{}");
    scene.act_json("queues redrive --yes", 0);
}

/// Alarms that notify somebody.
fn notified(scene: &Scene) {
    let aws = &scene.stage.aws;
    let topic = aws.create_topic("operators");
    let subscription = Subscription {
        protocol: "email".to_owned(),
        endpoint: "operators@example.com".to_owned(),
        confirmed: true,
    };
    aws.subscribe(&topic, subscription);
    for alarm in aws.alarms() {
        aws.create_alarm(Alarm {
            actions: vec![topic.clone()],
            ..alarm
        });
    }
    scene.act_json("doctor", 3);
}

const BY_NAMESPACE: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Condition": {"StringLike": {"aws:RequestTag/kubernetes-namespace": "*"}}}}"#;

/// A rotation in flight and another one that waits for it.
fn steering(scene: &Scene) {
    let in_flight = |code: i32| (code, Progress::InFlight);
    let rotate = "rotate --from platform/app-2025 --to platform/app-2026";
    scene.act("rotate-denied", rotate, FOUND);
    scene.act_json(&format!("{rotate} --yes"), 3);
    let rotate = format!("{rotate} --accept {LOST_SQS}");
    scene.act("rotate-asks", &rotate, ASKS);
    scene.set_slow(Progress::InFlight);
    scene.act_json(
        &format!("{rotate} --id app-2026 --max-errors 100% --max-concurrency 1 --yes"),
        0,
    );
    scene.act(
        "rotate-queued",
        &format!("{rotate} --id app-2026-b --yes"),
        in_flight(0),
    );
    scene.act("pause-asks", "pause app-2026", in_flight(2));
    scene.act("cancel-asks", "cancel app-2026", in_flight(2));
    scene.act(
        "change",
        "change app-2026 --max-errors 50% --yes",
        in_flight(0),
    );
    scene.act("rollback-asks", "rollback app-2026", in_flight(2));
    scene.read("list-open", "list --open", in_flight(0));
    scene.read("list-queued", "list --queued", in_flight(0));
    scene.read("status-queued", "status app-2026-b", in_flight(0));
    scene.act("freeze-asks", "freeze", in_flight(2));
    scene.act("freeze", "freeze --reason INC-9 --yes", in_flight(0));
    scene.act_json("freeze --yes", 0);
    scene.wait_until_paused("app-2026");
    scene.read("list-frozen", "list", in_flight(0));
    scene.act("unfreeze", "unfreeze --yes", in_flight(0));
    scene.act_json("pause app-2026 --reason INC-7 --yes", 0);
    scene.act("pause-again", "pause app-2026 --yes", in_flight(0));
    scene.act("resume-asks", "resume app-2026", in_flight(2));
    scene.act("cancel", "cancel app-2026-b --yes", in_flight(0));
    scene.set_slow(Progress::Fixed);
    scene.act_json("cancel app-2026 --yes --wait", 0);
    scene.act("retry-asks", "retry app-2026", in_flight(2));
    scene.act_json("rollback app-2026 --dry-run --yes --wait", 0);
}

#[test]
fn screens_answers_and_calls_are_the_documented_ones() {
    let recorded = std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let scene = Scene::start(0, 2..4);
            tour(&scene);
            permissions::of(&scene.stage)
        });
        let scene = Scene::start(1, 0..0);
        looking(&scene);
        index(&scene);
        steering(&scene);
        queues(&scene);
        notified(&scene);
        let mut recorded = permissions::of(&scene.stage);
        recorded.extend(first.join().unwrap());
        recorded
    });
    permissions::check(recorded);
}
