//! What nobody believes because a custody says so.

use super::*;
use crate::register::{Error as RegisterError, Register};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl World {
    fn register(&self) -> Register {
        View::new(&self.memory).register().unwrap()
    }

    /// What a dealer finds who pins the custody.
    fn believed(&self, register: &Register, guardian: &str) -> Result<Guardian, RegisterError> {
        register.check(&self.custody)?.guardian(&name(guardian)).cloned()
    }
}

#[test]
fn a_dealer_seals_to_keys_that_people_approved() {
    let mut world = World::with_guardians();
    let bank = guardian("bank-1", Kind::External, "bank");
    let good = world.register();
    assert_eq!(world.believed(&good, "bank-1"), Ok(bank.clone()));
    assert_eq!(world.believed(&good, "nobody"), Err(RegisterError::Unknown(name("nobody"))));
    let unapproved = Err(RegisterError::NotApproved(name("bank-1")));
    let fails = |change: &dyn Fn(&mut Approved)| {
        let mut register = good.clone();
        let of_bank = |approved: &&mut Approved| {
            matches!(&approved.request.request.action, Action::AddGuardian(guardian) if *guardian == bank)
        };
        change(register.guardians.iter_mut().find(of_bank).unwrap());
        register
    };
    // Another key, kind or entity under the same signature; and signed anew by somebody who may not.
    let thief = guardian_key("thief").age_recipient();
    let replaced = Guardian { recipient: thief, ..bank.clone() };
    let edited = fails(&|approved| approved.request.request.action = Action::AddGuardian(replaced.clone()));
    assert_eq!(world.believed(&edited, "bank-1"), unapproved);
    let asked = world.sign(By::Person(name("olga")), Action::AddGuardian(replaced));
    let approve = Action::Approve { request: asked.request.hash() };
    for by in ["olga", "boris", "cora"] {
        let approvals = vec![world.sign(By::Person(name(by)), approve.clone())];
        let forged = fails(&|approved| *approved = Approved { request: asked.clone(), approvals: approvals.clone() });
        assert_eq!(world.believed(&forged, "bank-1"), unapproved, "{by}");
    }
    let bare = fails(&|approved| approved.approvals.clear());
    assert_eq!(world.believed(&bare, "bank-1"), unapproved);
    // Two of one name, and the register of another custody.
    let mut twice = good.clone();
    twice.guardians.extend(good.guardians.clone());
    assert_eq!(world.believed(&twice, "bank-1"), unapproved);
    assert!(matches!(good.check(&Hex([9; 32])), Err(RegisterError::People(SessionError::Charter))));
}

/// What was approved by somebody who left is approved no more; the same card again renews it, and another one does not.
#[test]
fn a_registration_is_renewed_when_its_approver_left() {
    let mut world = World::with_guardians();
    let change = world.change(Vec::new(), &["sara"]);
    world.approved("olga", change, &["both", "boris"]);
    let shown = world.register();
    assert_eq!(world.believed(&shown, "bank-1"), Err(RegisterError::NotApproved(name("bank-1"))));
    let card = guardian("bank-1", Kind::External, "bank");
    world.approved("olga", Action::AddGuardian(card.clone()), &["both"]);
    let shown = world.register();
    assert_eq!(world.believed(&shown, "bank-1"), Ok(card.clone()));
    let other = Guardian { entity: name("elsewhere"), ..card };
    assert!(matches!(world.person("olga", Action::AddGuardian(other)), Err(Refusal::GuardianExists(_))));
}
