Feature: A vaccination record through the API
  A supplier creates, reads, changes and deletes records of the vaccine types that it may send. Versions rise by one;
  whoever may know is told of every change.

  Scenario Outline: a record is created, read and told of
    Given '<supplier>' sends
    And a <vaccine> record of a <patient> patient
    When it is created
    Then the answer is 201
    And the answer names the record and version 1
    And the answer repeats the ids of the request
    And it is stored as it was sent
    And its creation goes out
    And others are told of its creation
    When it is read
    Then the answer is 200
    And the answer gives version 1
    And the answer is the record as it was sent

    Examples:
      | supplier | vaccine   | patient   |
      | EMIS     | HIB       | Random    |
      | TPP      | MENB      | SFlag     |
      | MEDICUS  | ROTAVIRUS | NO_GP_NHS |
      | MAVIS    | HPV       | Mod11_NHS |

  Scenario: nobody is told of a record without an NHS number
    Given 'TPP' sends
    And a SHINGLES record of a NullNHS patient
    When it is created
    Then the answer is 201
    And the answer names the record and version 1
    And its creation goes out
    And nobody is told of it

  Scenario Outline: a record is refused in the national words
    Given 'EMIS' sends
    And a FLU record of a Random patient
    And its <field> is '<value>'
    When it is created
    Then the answer is 400
    And the answer refuses it: <refusal>

    Examples:
      | field               | value             | refusal                               |
      | date of vaccination | future_occurrence | invalid_OccurrenceDateTime            |
      | date of recording   | nonexistent       | invalid_recorded                      |
      | date of birth       | future_date       | future_DateOfBirth                    |
      | expiry date         | invalid_format    | invalid_expirationDate                |
      | sex                 | F                 | invalid_gender                        |
      | NHS number          | 99900000181X      | invalid_nhsnumber_length              |
      | dose number         | 0                 | doseNumberPositiveInt_PositiveInteger |
      | dose number         | 12                | doseNumberPositiveInt_ValidRange      |

  Scenario Outline: what must be there is missed
    Given 'EMIS' sends
    And a FLU record of a Random patient
    And it has no <field>
    When it is created
    Then the answer is 400
    And the answer refuses it: <refusal>

    Examples:
      | field             | refusal             |
      | date of recording | empty_recorded      |
      | date of birth     | missing_DateOfBirth |
      | family name       | no_surname          |
      | sex               | missing_gender      |

  Scenario: an identifier has one live record
    Given 'EMIS' sends
    And a COVID record of a Random patient is held
    When it is created again
    Then the answer is 422
    And the answer refuses it: duplicate

  Scenario Outline: a supplier sends only what it may
    Given '<supplier>' sends
    And a <vaccine> record of a Random patient
    When it is created
    Then the answer is 403
    And the answer refuses it: unauthorized_access

    Examples:
      | supplier | vaccine |
      | MAVIS    | COVID   |
      | RAVS     | FLU     |
      | SONAR    | MMR     |

  Scenario: a record is changed twice, also by another supplier
    Given 'EMIS' sends
    And a MMR record of a Random patient is held
    When its address is changed
    Then the answer is 200
    And the answer gives version 2
    And its change goes out
    And others are told of its change
    When 'MAVIS' changes its address
    Then the answer is 200
    And the answer gives version 3
    And it is stored as it was sent
    And its change goes out

  Scenario Outline: a change must be of the version held
    Given 'EMIS' sends
    And a RSV record of a Random patient is held
    When it is changed as of version <version>
    Then the answer is 400

    Examples:
      | version |
      | 2       |
      | x       |

  Scenario: a change is judged as a creation is
    Given 'EMIS' sends
    And a RSV record of a Random patient is held
    When its date of birth is changed to 'invalid_format'
    Then the answer is 400
    And the answer refuses it: invalid_DateOfBirth

  Scenario: a deleted record is gone, and comes back when it is created again
    Given 'TPP' sends
    And a HEPB record of a Random patient is held
    When it is deleted
    Then the answer is 204
    And it is kept, deleted
    And its deletion goes out
    And others are told of its deletion
    When it is read
    Then the answer is 404
    And the answer refuses it: not_found
    When it is deleted
    Then the answer is 404
    When it is created again
    Then the answer is 201
    And the answer names the record and version 2
    And it is stored as it was sent
    And its creation goes out

  Scenario: a deleted record comes back when it is changed
    Given 'TPP' sends
    And a BCG record of a Random patient is held
    When it is deleted
    Then the answer is 204
    When it is changed again as it was
    Then the answer is 200
    And the answer gives version 2
    And it is stored as it was sent
    And its change goes out
    And others are told of its change

  Scenario: who may not send a vaccine type may not delete its records
    Given 'RAVS' sends
    And a RSV record of a Random patient is held
    When 'MAVIS' deletes it
    Then the answer is 403
    And the answer refuses it: unauthorized_access
